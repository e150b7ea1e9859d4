#!/usr/bin/env python3
"""Holds the tree to its rules: which layer may include which, sizes of files and functions, exported
symbols, and public headers that compile alone as C11 and C++17."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ALLOWED = {
    "base": {"base"},
    "io": {"io", "base"},
    "data": {"data", "io", "base"},
    "text": {"text", "io", "base"},
    "metrics": {"metrics", "text", "base"},
    "nn": {"nn", "base"},
    "arch": {"arch", "nn", "io", "base"},
    "diffusion": {"diffusion", "arch", "nn", "io", "base"},
    "train": {"train", "diffusion", "arch", "nn", "io", "base"},
    "api": {"api", "metrics", "train", "diffusion", "arch", "nn", "text", "data", "io", "base"},
}
failures = []


def fail(message):
    failures.append(message)


def check_layers():
    for path in sorted((ROOT / "lib").rglob("*.[ch]")):
        layer = path.relative_to(ROOT / "lib").parts[0]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'#include "([a-z]+)/', line)
            if match and match.group(1) not in ALLOWED[layer]:
                fail(f"{path.relative_to(ROOT)}:{number}: layer {layer} may not include {match.group(1)}")


def check_sizes():
    for folder in ("lib", "examples", "tests", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.c")):
            lines = path.read_text().splitlines()
            if len(lines) > 800:
                fail(f"{path.relative_to(ROOT)}: {len(lines)} lines, at most 800")
            start = None
            for number, line in enumerate(lines, 1):
                if line == "{":
                    start = number
                elif line == "}" and start:
                    if number - start > 100:
                        fail(f"{path.relative_to(ROOT)}:{start}: a function of {number - start} lines, at most 100")
                    start = None


def check_format():
    """By version 14 alone: others break lines elsewhere."""
    try:
        version = subprocess.run(["clang-format", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return
    if " version 14." not in version:
        return
    files = subprocess.run(["git", "ls-files", "*.c", "*.h"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    for name in files:
        if name.endswith("_table.c"):
            continue
        out = subprocess.run(["clang-format", "--dry-run", "-Werror", name], cwd=ROOT, capture_output=True, text=True)
        if out.returncode:
            fail(out.stderr.splitlines()[0])


def check_symbols():
    library = next((ROOT / "build" / "lib").glob("libdiffulm.so.*.*"), None)
    if library is None:
        fail("build/lib/libdiffulm.so is missing: run ./dev build")
        return
    out = subprocess.run(["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True, check=True)
    exported = {line.split()[-1] for line in out.stdout.splitlines()}
    declared = set()
    for header in (ROOT / "include" / "diffulm").glob("*.h"):
        declared |= set(re.findall(r"\b(diffulm_[a-z0-9_]+)\(", re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)))
    packaged = next((ROOT / "packaging" / "debian").glob("*.symbols"))
    listed = set(re.findall(r"^ (\w+)@", packaged.read_text(), re.M))
    for name in sorted(listed ^ exported):
        fail(f"{packaged.name}: {name} is listed or exported alone: run ./dev abi --refresh")
    for name in sorted(exported - declared):
        fail(f"{library.name}: exports {name}, which no public header declares")
    for name in sorted(declared - exported):
        fail(f"include/diffulm: {name} is declared but not exported")


def check_headers():
    for header in sorted((ROOT / "include" / "diffulm").glob("*.h")):
        for compiler, standard, language in (("gcc", "c11", "c"), ("g++", "c++17", "c++")):
            run = subprocess.run([compiler, f"-std={standard}", "-x", language, "-Wall", "-Wextra", "-Wpedantic",
                                  "-Werror", "-fsyntax-only", f"-I{ROOT / 'include'}", str(header)],
                                 capture_output=True, text=True)
            if run.returncode:
                fail(f"{header.name} does not compile alone as {standard}: {run.stderr.strip()[:300]}")


for check in (check_layers, check_sizes, check_format, check_symbols, check_headers):
    check()
for message in failures:
    print(message)
print(f"lint: {len(failures)} problems")
sys.exit(1 if failures else 0)
