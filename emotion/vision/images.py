"""Opening an untrusted picture: any usual format, orientation or mode becomes upright RGB pixels.

Size limits and plain-word errors live here; faces and emotions do not.
"""

from __future__ import annotations

import functools
import importlib
import io
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import IO, cast

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps

from emotion.errors import InvalidImageError, in_one_line

logger = logging.getLogger(__name__)

# Pixels of a picture and of a side (JPEG's own limit). More is refused before decoding: a bomb of 50 KB can
# hold gigabytes.
MAX_PIXELS, MAX_SIDE = 50_000_000, 65_535
# Pixels; larger pictures are decoded at half size or less, so that 3 bytes a pixel stay below 75 MB.
REDUCE_ABOVE = 25_000_000
# Pixels: large pictures are reduced by a power of two, but not below this longer side, which still shows
# faces of 60 pixels in 12 megapixels.
SEARCHED_SIDE = 1280

# Only the formats of people's pictures: Pillow's other readers (EPS starts Ghostscript) see no bytes.
FORMATS = (
    "JPEG", "PNG", "WEBP", "GIF", "HEIF", "AVIF", "TIFF", "BMP", "MPO", "JPEG2000", "PPM", "ICO", "TGA",
)  # fmt: skip

EXTENSIONS = frozenset({
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".hif", ".ico", ".j2k", ".jfif", ".jp2",
    ".jpe", ".jpeg", ".jpg", ".mpo", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp",
})  # fmt: skip


Source = str | os.PathLike[str] | bytes | Image.Image | np.ndarray


@dataclass(frozen=True, eq=False)
class Picture:
    """An upright picture in memory, RGB uint8 (H, W, 3), which may be smaller than the original.

    `size` is the original's width and height in pixels; `open_full` returns its pixels, None where these are.
    """

    pixels: np.ndarray
    size: tuple[int, int]
    open_full: Callable[[], np.ndarray] | None = None

    @classmethod
    def of(cls, pixels: np.ndarray) -> Picture:
        """Take upright RGB pixels, ``uint8`` (H, W, 3), as they are."""
        return cls(pixels, (pixels.shape[1], pixels.shape[0]))

    @property
    def scale(self) -> float:
        """How many pixels of the whole picture one of these is, 1 or more."""
        return max(self.size) / max(self.pixels.shape[:2])

    def full(self) -> Picture:
        """Return the picture at its full size; InvalidImageError if it cannot be opened a second time."""
        return self if self.open_full is None else replace(self, pixels=self.open_full(), open_full=None)

    def shown(self, side: int) -> Picture:
        """Return the picture as small as it is shown: no side above `side` pixels, no way back."""
        image = Image.fromarray(self.pixels)
        if max(image.size) > side:
            image.thumbnail((side, side), reducing_gap=2.0)
        return replace(self, pixels=np.asarray(image), open_full=None)


def open_image(source: Source) -> np.ndarray:
    """Open a picture as upright RGB pixels, uint8 (H, W, 3).

    EXIF orientation is applied, transparency is laid on white, an animation gives its first frame, and files
    above 25 megapixels are reduced by a whole factor. Where a file is cut off, the missing part is grey or
    black. An array has shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) in grey, RGB or RGBA order and is
    uint8 (0..255), uint16 (0..65535) or bool. An InvalidImageError says that there is no such file, that it
    cannot be read, or that it has more than `MAX_PIXELS`, which is checked before decoding.
    """
    return _open(source, searched_side=None).pixels


def open_picture(source: Source) -> Picture:
    """Open a picture as large as the search for faces needs it; parameters and errors as for `open_image`."""
    picture = _open(source, searched_side=SEARCHED_SIDE)
    if picture.scale == 1:
        return picture
    return replace(picture, open_full=functools.partial(open_image, source))


def _open(source: Source, *, searched_side: int | None) -> Picture:
    if isinstance(source, np.ndarray):
        return _reduced_array(_from_array(source), searched_side)
    if isinstance(source, Image.Image):
        return _from_pil(source, searched_side)
    if isinstance(source, (bytes, bytearray, memoryview)):
        if not len(source):
            raise InvalidImageError("The picture is empty (0 bytes). Send the file again.")
        return _from_file(io.BytesIO(source), "The file", searched_side)
    if isinstance(source, (str, os.PathLike)):
        return _from_path(os.fspath(source), searched_side)
    raise InvalidImageError(
        f"A {type(source).__name__} is not a picture. Pass a path, bytes, a PIL image or a uint8 array."
    )


def _from_path(name: str, searched_side: int | None) -> Picture:
    try:
        with open(name, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise InvalidImageError(f"{name} is empty (0 bytes). Copy the picture again.")
            return _from_file(file, name, searched_side)
    except FileNotFoundError as error:
        raise InvalidImageError(f"There is no file {name}. Check the path.") from error
    except IsADirectoryError as error:
        raise InvalidImageError(f"{name} is a folder. Name a picture inside it.") from error
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidImageError):
            raise
        raise InvalidImageError(
            f"{name} cannot be opened: {in_one_line(error)}. Check the path and its permissions."
        ) from error


def _from_array(array: np.ndarray) -> np.ndarray:
    shape = array.shape
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        raise InvalidImageError(
            f"An array of shape {shape} is not a picture. Pass (H, W), (H, W, 3) or (H, W, 4)."
        )
    if 0 in shape:
        raise InvalidImageError(f"An array of shape {shape} holds no pixels. Pass a picture of at least 1×1.")
    _check_size(shape[1], shape[0], "the array")
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    elif array.dtype == np.uint16:
        array = (array // 257).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise InvalidImageError(
            f"An array of {array.dtype} does not say which value is white. Scale it to 0..255 and pass uint8."
        )
    if len(shape) == 2 or shape[2] == 1:
        return np.repeat(array.reshape(*shape[:2], 1), 3, axis=2)
    if shape[2] == 3:
        return np.ascontiguousarray(array)
    return _to_rgb(Image.fromarray(np.ascontiguousarray(array), "RGBA"))


def _reduced_array(pixels: np.ndarray, searched_side: int | None) -> Picture:
    picture = Picture.of(pixels)
    factor = _reduction(*picture.size, searched_side) if searched_side else 1
    if factor == 1:
        return picture
    return replace(picture, pixels=np.asarray(Image.fromarray(pixels).reduce(factor)))


def _from_pil(image: Image.Image, searched_side: int | None) -> Picture:
    if 0 in image.size:
        raise InvalidImageError("The picture holds no pixels. Pass one of at least 1×1.")
    _check_size(*image.size, "the picture")
    try:
        return _upright_rgb(image, "the picture", searched_side)
    except Exception as error:  # a lazily opened image decodes here, and Pillow's readers raise anything
        raise _unreadable("the picture", error) from error


def _from_file(file: IO[bytes], name: str, searched_side: int | None) -> Picture:
    try:
        with Image.open(file, formats=readable_formats()) as image:
            _check_size(*image.size, name)
            return _upright_rgb(image, name, searched_side)
    except InvalidImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name) from error
    except Image.UnidentifiedImageError as error:
        raise InvalidImageError(
            f"{name} is not a picture that can be read. Use JPEG, PNG, WebP, GIF, HEIC, AVIF, TIFF or BMP."
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # hostile bytes make Pillow's readers raise anything, struct.error included
        raise _unreadable(name, error) from error


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise _too_large(name, f"{width}×{height} = {width * height / 1e6:.1f} megapixels")


def _too_large(name: str, found: str = "far more") -> InvalidImageError:
    return InvalidImageError(
        f"{name} is too large: {found}, the limit is {MAX_PIXELS / 1e6:g} megapixels and {MAX_SIDE} pixels a"
        " side. Make it smaller first."
    )


def _unreadable(name: str, error: Exception) -> InvalidImageError:
    return InvalidImageError(
        f"{name} is damaged and cannot be read ({in_one_line(error)}). Save or send it again."
    )


@functools.cache
def readable_formats() -> tuple[str, ...]:
    """Return those of `FORMATS` that can be read here."""
    try:  # HEIC needs a plug-in, which registers itself with Pillow
        importlib.import_module("pi_heif").register_heif_opener()
    except ImportError:
        logger.info("HEIC pictures cannot be read: pi-heif is not installed")
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _upright_rgb(image: Image.Image, name: str, searched_side: int | None) -> Picture:
    size = image.size
    factor = _reduction(*size, searched_side)
    if factor > 1:
        # JPEG decodes at this size right away.
        image.draft(None, (-(-size[0] // factor), -(-size[1] // factor)))
    drafted = round(max(size) / max(image.size))
    _decode(image, name)
    if factor > drafted:
        image = _averageable(image).reduce(factor // drafted)
    upright = image
    try:
        # It would copy what is upright already.
        if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
            upright = ImageOps.exif_transpose(image)
    except Exception as error:  # a broken EXIF block should not make good pixels unusable
        logger.info("%s: unreadable EXIF block ignored (%s)", name, error)
    turned = (upright.width > upright.height) != (image.width > image.height)
    return Picture(_to_rgb(upright), size[::-1] if turned else size)


def _averageable(image: Image.Image) -> Image.Image:
    """Convert what Pillow cannot average: one bit, a palette, 16 bits."""
    if image.mode in ("1", "P"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image.convert("I") if image.mode.startswith("I;16") else image


def _reduction(width: int, height: int, searched_side: int | None) -> int:
    """Return the power of two by which a picture is reduced when it is opened."""
    factor = 1
    while width * height / factor**2 > REDUCE_ABOVE or (
        searched_side and max(width, height) / (2 * factor) >= searched_side
    ):
        factor *= 2
    return factor


def _decode(image: Image.Image, name: str) -> None:
    """Decode the pixels; of a file that is cut off, keep what came before the cut."""
    try:
        image.load()
    except OSError as error:
        if "truncated" not in str(error) or getattr(image, "_im", None) is None:
            raise
        logger.warning("%s is cut off; the missing part is blank", name)
        # What Pillow's global LOAD_TRUNCATED_IMAGES does, for this picture only.
        cast(ImageFile.ImageFile, image).tile = []
        image.load()
        if all(low == high for low, high in np.atleast_2d(image.getextrema())):
            raise


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return np.repeat(_eight_bits(np.asarray(image))[:, :, None], 3, axis=2)
    if image.mode == "LAB":
        image = image.getchannel("L")
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Scale by the smallest usual white (1 for floats, 255, 65535) above all values, else by the largest."""
    if values.dtype == np.uint16:
        return (values // 257).astype(np.uint8)
    usual = (1, 255, 65535) if values.dtype.kind == "f" else (255, 65535)
    values = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0).clip(min=0)
    largest = values.max()
    white = next(white for white in (*usual, largest) if largest <= white)
    return np.rint(values / white * 255).astype(np.uint8)
