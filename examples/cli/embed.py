"""A text file as an array of C strings, one a line, NULL at the end: embed.py IN OUT NAME"""
import sys

source, target, name = sys.argv[1:]
with open(source, encoding="utf-8") as file:
    lines = file.read().splitlines()
with open(target, "w", encoding="utf-8") as file:
    file.write(f"static const char *const {name}[] = {{\n")
    for line in lines:
        escaped = line.replace("\\", "\\\\").replace('"', '\\"').replace("??", "?\\?")
        file.write(f'    "{escaped}\\n",\n')
    file.write("    0};\n")
