#!/usr/bin/env python3
"""Compares a library, built with debug information, with the ABI in baseline.xml; any difference fails.

  guard.py LIBRARY             compare
  guard.py LIBRARY --refresh   write baseline.xml, and new functions into the Debian package's list of symbols
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent
BASELINE = FOLDER / "baseline.xml"
DEBIAN = FOLDER.parent.parent / "packaging/debian"


def abi():
    return json.loads((FOLDER / "abi.json").read_text(encoding="utf-8"))


def list_symbols():
    """Each function with the version that brought it; those that went are left out."""
    path = next(DEBIAN.glob("libdiffulm*.symbols"))
    text = path.read_text()
    since = dict(re.findall(r"^ (\w+)@Base (\S+)$", text, re.M))
    now = re.search(r"\((.*?)\)", (DEBIAN / "changelog").read_text()).group(1)
    head = [line for line in text.splitlines() if not line.startswith(" ")]
    lines = [f" {name}@Base {since.get(name, now)}" for name in sorted(f["name"] for f in abi()["functions"])]
    path.write_text("\n".join(head + lines) + "\n")


def suppression():
    """What is behind handles is no part of the ABI; libabigail would tell it from public types by the names of files
    alone, and ours are the same in lib/ and include/."""
    handles = "|".join(h["name"] for h in abi()["handles"])
    return "".join(f"[suppress_type]\n  name_regexp = {pattern}\n" for pattern in ("^dulm_", f"^({handles})$"))


def main():
    library = sys.argv[1]
    sections = subprocess.run(["readelf", "-S", "-W", library], check=True, capture_output=True, text=True).stdout
    if ".debug_info" not in sections:  # abidiff would compare the symbols alone and be content
        sys.exit(f"abi: {library} has no debug information")
    with tempfile.NamedTemporaryFile("w", suffix=".suppr") as file:
        file.write(suppression())
        file.flush()
        if sys.argv[2:] == ["--refresh"]:
            # Nothing that depends on where it was built, nor positions, which every edit moves.
            subprocess.run(["abidw", "--suppressions", file.name, "--exported-interfaces-only", "--drop-undefined-syms",
                            "--type-id-style", "hash", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--no-elf-needed",
                            "--no-parameter-names", "--no-write-default-sizes", "--out-file", str(BASELINE), library], check=True)
            list_symbols()
            return
        code = subprocess.run(["abidiff", "--suppressions", file.name, "--no-default-suppression", "--exported-interfaces-only",
                               "--no-show-locs", str(BASELINE), library]).returncode
    if code:
        sys.exit(f"abi: not as in baseline.xml (abidiff: {code}); docs/abi.md says how to change it")
    print("abi: as in baseline.xml")


main()
