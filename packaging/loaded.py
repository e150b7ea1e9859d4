
# Behind the README's lines: its answer, and that nothing of the system was used but what every Linux has.
import sys

assert session.text() == "forty-two", session.text()
with open("/proc/self/maps", encoding="utf-8") as maps:
    loaded = {line.split()[-1] for line in maps if ".so" in line}
for name in ("diffulm", "dnnl", "jansson", "utf8proc", "pcre2", "gomp"):
    paths = [path for path in loaded if f"lib{name}" in path]
    assert paths and all(path.startswith(sys.argv[1]) for path in paths), (name, paths)
