"""The C library libjpeg-turbo, to compare with.

    libjpeg_peer.py serve    needs `pip install numpy simplejpeg`; encodes for `cargo bench --bench encode`: reads
                             lines of JSON {"codec": "jpeg" | "png", "path", "width", "height", "quality", "times", "out"}
                             about a file of RGB pixels; answers {"bytes": size of the image, "seconds": [one for each
                             time]}, and leaves the image in the file `out` unless that is null
    libjpeg_peer.py golden   needs `pip install numpy pillow`; prints the table GOLDEN of src/encode/jpeg.rs

The two differ because simplejpeg uses the library's fast DCT below quality 96, whatever it is asked for: fine to race
with, but its files are other files. Pillow uses the default DCT, as FrameHub does.
"""

import io
import json
import pathlib
import platform
import struct
import sys
import time
import zlib

import numpy as np


def png(pixels: np.ndarray) -> bytes:
    """A PNG as simple servers write it: no filter, zlib at level 7."""
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + width * 3), np.uint8)
    rows[:, 1:] = pixels.reshape(height, -1)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(rows, level=7)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def golden_pixels(channels: int, width: int, height: int, seed: int) -> np.ndarray:
    """The same picture as `pixels` in src/encode/testing.rs."""
    state = seed
    values = []
    for y in range(height):
        for x in range(width):
            for channel in range(channels):
                state = (state * 1_664_525 + 1_013_904_223) % 2**32
                noise = state >> 24
                inside = (x // 16 + y // 16) % 4 == 0
                value = 255 * ((channel + y // 16) % 2) if inside else x * (channel + 1) + y * 2
                values.append(value % 256 * 7 // 8 + noise // 8)
    return np.array(values, np.uint8).reshape(height, width, channels)


def fnv1a(data: bytes) -> int:
    digest = 0xCBF29CE484222325
    for byte in data:
        digest = (digest ^ byte) * 0x100000001B3 % 2**64
    return digest


def golden() -> None:
    from PIL import Image, features

    print(f"Pillow {Image.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}", file=sys.stderr)
    sizes = [(1, 1), (8, 8), (1, 77), (77, 1), (17, 9), (63, 65), (131, 97), (320, 240)]
    qualities = [1, 20, 50, 75, 80, 95, 99, 100]
    for channels in (1, 3, 4):
        for index, (width, height) in enumerate(sizes):
            seed = 10 * channels + index
            quality = qualities[(index + channels) % len(qualities)]
            pixels = golden_pixels(channels, width, height, seed)
            image = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels[:, :, :3])
            row = ", ".join(map(str, (channels, width, height, seed, quality)))
            files = [io.BytesIO(), io.BytesIO()]
            for file, subsampling in zip(files, ("4:4:4", "4:2:0")):
                image.save(file, "jpeg", quality=quality, subsampling=subsampling)
            each = ", ".join(f"({file.tell()}, {fnv1a(file.getvalue()):#021_x})" for file in files)
            print(f"        ({row}, [{each}]),")


def serve() -> None:
    import simplejpeg

    def jpeg(pixels: np.ndarray, quality: int) -> bytes:
        return simplejpeg.encode_jpeg(pixels, quality=quality, colorspace="RGB", colorsubsampling="444")

    versions = f"simplejpeg {simplejpeg.__version__}, Python {platform.python_version()}, zlib {zlib.ZLIB_RUNTIME_VERSION}"
    print(json.dumps({"versions": versions}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        shape = (request["height"], request["width"], 3)
        pixels = np.fromfile(request["path"], np.uint8).reshape(shape)
        seconds = []
        file = b""
        for _ in range(request["times"]):
            started = time.perf_counter()
            file = jpeg(pixels, request["quality"]) if request["codec"] == "jpeg" else png(pixels)
            seconds.append(time.perf_counter() - started)
        if request["out"]:
            pathlib.Path(request["out"]).write_bytes(file)
        print(json.dumps({"bytes": len(file), "seconds": seconds}), flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["golden"]:
        golden()
    elif sys.argv[1:] == ["serve"]:
        serve()
    else:
        sys.exit(__doc__)
