"""One object of all of ours, in which what is hidden is local, as an archive: archive.py OBJECTS.a OUTPUT.a AR OBJCOPY COMPILER...

A host that links it sees diffulm_* alone: our internal names can't clash with its own.
"""
import os
import subprocess
import sys

objects, output, ar, objcopy, *compiler = sys.argv[1:]
whole = os.path.splitext(output)[0] + ".o"
subprocess.run([*compiler, "-r", "-nostdlib", "-o", whole, "-Wl,--whole-archive", objects, "-Wl,--no-whole-archive"], check=True)
subprocess.run([objcopy, "--localize-hidden", whole], check=True)
if os.path.exists(output):
    os.remove(output)  # ar adds to what is there
subprocess.run([ar, "rcsD", output, whole], check=True)
os.remove(whole)
