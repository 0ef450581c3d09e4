"""Pictures that nobody meant: files of every accepted format, drawn here and then damaged."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.fuzz.changes import EDGES, damaged
from emotion import EmotionClassifier
from emotion.errors import EmotionError
from emotion.untrusted.pictures import PictureDecoder
from emotion.vision.images import readable_formats

SIDE = 72  # pixels: small files are damaged where it matters
MODES = ("RGB", "L", "RGBA", "LA", "P", "1", "I;16", "CMYK", "F")
# Pillow's writer of these dies of other modes.
MODES_OF = {"jpeg": ("RGB", "L"), "group4": ("1",)}
# One of so many opened pictures is looked at for faces, which costs far more than opening it.
LOOKED_AT = 8
# One picture in this many is noise, as from a dim room: it gives the face search the most work.
NOISY = 25


class Pictures:
    """Opens damaged pictures as the app does, and looks for faces in some of them."""

    name = "pictures"

    def __init__(self, folder: Path) -> None:
        del folder
        self._files = list(corpus())
        self._decoder = PictureDecoder(workers=1)
        self._classifier = EmotionClassifier.from_pretrained()

    def try_one(self, chance: random.Random) -> str:
        """Open one picture; return what became of it."""
        noisy = chance.randrange(NOISY) == 0
        content = noise(chance) if noisy else damaged_picture(self._files, chance)
        try:
            picture = self._decoder.open(content)
            if noisy or chance.randrange(LOOKED_AT) == 0:
                self._classifier.predict(picture)
        except EmotionError as error:
            check_message(str(error))
            return "stopped at a limit" if "limits on time and memory" in str(error) else "refused"
        return "opened"

    def close(self) -> None:
        """End the process that opens them."""
        self._decoder.close()


def noise(chance: random.Random) -> bytes:
    """Return a dim or a checkered picture with noise, as JPEG."""
    rng = np.random.default_rng(chance.getrandbits(64))
    width, height = chance.choice((160, 320, 640, 1280)), chance.choice((120, 240, 480, 960))
    if chance.random() < 0.5:
        light = np.full((height, width, 1), chance.uniform(0, 255))
    else:
        step = chance.choice((1, 2, 4, 8, 16))
        rows, columns = np.indices((height, width)) // step
        light = ((rows + columns) % 2 * 255.0)[..., None]
    pixels = light + rng.normal(0, chance.uniform(0, 80), (height, width, 3))
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=chance.randint(50, 98))
    return file.getvalue()


def check_message(message: str) -> None:
    """Refuse a message that helps nobody, or tells about this machine.

    Raises
    ------
    ValueError
        Naming the message.
    """
    if len(message) < 20 or "\n" in message or "Traceback" in message or "site-packages" in message:
        raise ValueError(f"no message for people: {message[:200]!r}")


def damaged_picture(files: list[bytes], chance: random.Random) -> bytes:
    """Take a file and damage it: blindly, or its size with a checksum that fits."""
    content = chance.choice(files)
    if chance.random() < 0.1:
        content = resized_header(content, chance)
        if chance.random() < 0.5:
            return content
    return damaged(content, chance.choice(files), chance)


def resized_header(content: bytes, chance: random.Random) -> bytes:
    """Let a file say that it is of another size."""
    width, height = chance.choice(EDGES), chance.choice((*EDGES, 20))
    if content[:4] == b"\x89PNG":
        header = content[12:16] + struct.pack(">II", width, height) + content[24:29]
        return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]
    if (
        content[:2] == b"\xff\xd8"
        and (place := max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2"))) > 0
    ):
        return content[: place + 5] + struct.pack(">HH", height % 65536, width % 65536) + content[place + 9 :]
    if content[:3] == b"GIF":
        return content[:6] + struct.pack("<HH", width % 65536, height % 65536) + content[10:]
    if content[:2] == b"BM":
        return content[:18] + struct.pack("<II", width, height) + content[26:]
    return content


def corpus() -> Iterator[bytes]:
    """Draw one picture and write it in every format, mode and way that we open."""
    face = drawn()
    ways: dict[str, list[dict]] = {
        "JPEG": [
            {"quality": 30},
            {"quality": 80, "progressive": True},
            {"quality": 60, "subsampling": 0, "exif": sideways()},
        ],
        "PNG": [{}, {"compress_level": 0}],
        "WEBP": [{"quality": 50}, {"lossless": True}],
        "GIF": [{}, {"save_all": True, "append_images": [face.rotate(90)], "duration": 50}],
        "AVIF": [{"quality": 40, "speed": 10}],
        "HEIF": [{"quality": 40}],
        "TIFF": [
            {"compression": name}
            for name in (None, "tiff_lzw", "tiff_deflate", "packbits", "jpeg", "group4", "tiff_adobe_deflate")
        ],
        "BMP": [{}],
        "MPO": [{"save_all": True, "append_images": [face]}],
        "JPEG2000": [{}, {"tile_size": (32, 32)}, {"irreversible": True, "quality_layers": [20]}],
        "PPM": [{}],
        "ICO": [{"sizes": [(32, 32), (64, 64)]}],
        "TGA": [{}, {"compression": "tga_rle"}],
    }
    with contextlib.suppress(ImportError):
        # It writes what pi-heif reads.
        __import__("pillow_heif").register_heif_opener()
    for name in readable_formats():
        for options in ways[name]:
            for mode in MODES_OF.get(options.get("compression"), MODES):
                buffer = io.BytesIO()
                # Not every format has every mode and every way.
                with contextlib.suppress(OSError, ValueError, KeyError, SystemError, RuntimeError):
                    image = face.convert("I").convert(mode) if mode == "I;16" else face.convert(mode)
                    image.save(buffer, name, **options)
                    yield buffer.getvalue()


def drawn() -> Image.Image:
    """Draw something like a face on a coloured gradient."""
    image = Image.radial_gradient("L").resize((SIDE, SIDE)).convert("RGB")
    pen = ImageDraw.Draw(image)
    pen.ellipse((14, 8, 58, 66), fill=(220, 180, 150), outline=(90, 60, 40))
    for x in (26, 46):
        pen.ellipse((x - 4, 26, x + 4, 32), fill="white", outline="black")
        pen.ellipse((x - 2, 27, x + 2, 31), fill="black")
    pen.arc((26, 40, 46, 56), 20, 160, fill=(150, 30, 30), width=3)
    return image


def sideways() -> Image.Exif:
    """Return EXIF data as a phone writes it that was held upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a face"
    return exif
