#!/usr/bin/env python3
"""Compares a library, built with debug information, with the ABI in baseline.xml; any difference fails.

  guard.py LIBRARY             compare
  guard.py LIBRARY --refresh   write baseline.xml
"""
import json
import pathlib
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent
BASELINE = FOLDER / "baseline.xml"


def suppression():
    """What is behind handles is no part of the ABI; libabigail would tell it from public types by the names of files
    alone, and ours are the same in lib/ and include/."""
    handles = "|".join(h["name"] for h in json.loads((FOLDER / "abi.json").read_text(encoding="utf-8"))["handles"])
    return "".join(f"[suppress_type]\n  name_regexp = {pattern}\n" for pattern in ("^dulm_", f"^({handles})$"))


def main():
    library = sys.argv[1]
    with tempfile.NamedTemporaryFile("w", suffix=".suppr") as file:
        file.write(suppression())
        file.flush()
        if sys.argv[2:] == ["--refresh"]:
            # Nothing that depends on where it was built, nor positions, which every edit moves.
            subprocess.run(["abidw", "--suppressions", file.name, "--exported-interfaces-only", "--drop-undefined-syms",
                            "--type-id-style", "hash", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--no-elf-needed",
                            "--no-parameter-names", "--no-write-default-sizes", "--out-file", str(BASELINE), library], check=True)
            return
        code = subprocess.run(["abidiff", "--suppressions", file.name, "--no-default-suppression", "--exported-interfaces-only",
                               "--no-show-locs", str(BASELINE), library]).returncode
    if code:
        sys.exit(f"abi: not as in baseline.xml (abidiff: {code}); docs/abi.md says how to change it")
    print("abi: as in baseline.xml")


main()
