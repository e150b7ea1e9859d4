#!/usr/bin/env python3
"""Packs a model folder into the archive that the game reads (pack.h has its form): pack.py MODEL_FOLDER OUT.pak"""
import pathlib
import struct
import sys

MAGIC, NAME = b"diffpak1", 48
SUFFIXES = {".json", ".safetensors", ".model", ".txt"}


def pack(files):
    """The bytes of an archive of (name, bytes) pairs; each file begins at a multiple of 64 bytes."""
    offset = len(MAGIC) + 4 + len(files) * (NAME + 16)
    table, body = b"", b""
    for name, data in files:
        encoded = name.encode()
        if len(encoded) >= NAME:
            raise ValueError(f"{name}: names have at most {NAME - 1} bytes")
        padding = -(offset + len(body)) % 64
        body += bytes(padding)
        table += encoded.ljust(NAME, b"\0") + struct.pack("<QQ", offset + len(body), len(data))
        body += data
    return MAGIC + struct.pack("<I", len(files)) + table + body


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    paths = sorted(p for p in pathlib.Path(sys.argv[1]).iterdir() if p.suffix in SUFFIXES)
    pathlib.Path(sys.argv[2]).write_bytes(pack([(p.name, p.read_bytes()) for p in paths]))
    print(f"{sys.argv[2]}: {', '.join(p.name for p in paths)}")
