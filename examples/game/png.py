#!/usr/bin/env python3
"""A screenshot of the game (BMP of 24 bits) as PNG: png.py IN.bmp OUT.png"""
import pathlib
import struct
import sys
import zlib


def pixels(bmp):
    """Width, height, and rows of RGB bytes from the top."""
    start, = struct.unpack_from("<I", bmp, 10)
    width, height = struct.unpack_from("<ii", bmp, 18)
    bits, compression = struct.unpack_from("<HI", bmp, 28)
    if bmp[:2] != b"BM" or bits != 24 or compression:
        raise ValueError("no BMP of 24 bits a pixel")
    stride = (3 * width + 3) // 4 * 4
    rows = []
    for y in range(abs(height)):
        row = bytearray(bmp[start + y * stride:start + y * stride + 3 * width])
        row[0::3], row[2::3] = row[2::3], row[0::3]  # BGR
        rows.append(bytes(row))
    return width, abs(height), rows if height < 0 else rows[::-1]


def png(width, height, rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    pathlib.Path(sys.argv[2]).write_bytes(png(*pixels(pathlib.Path(sys.argv[1]).read_bytes())))
