"""Strangers' pictures are opened apart: the same pixels as here, and an end to what takes too long."""

import io
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from emotion.errors import InvalidImageError
from emotion.untrusted.pictures import PICTURE, PictureDecoder
from emotion.vision.images import open_picture
from tests.untrusted.heic import tiled_heic

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def decoder():
    decoder = PictureDecoder(workers=2)
    yield decoder
    decoder.close()


@pytest.fixture(scope="module")
def hasty_decoder():
    """Gives up early, as the tests of what takes too long would like."""
    decoder = PictureDecoder(limits=replace(PICTURE, seconds=1.5))
    yield decoder
    decoder.close()


def encode(image: Image.Image, format_name: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def gradient(width: int, height: int) -> Image.Image:
    return Image.linear_gradient("L").resize((width, height)).convert("RGB")


def scan_bomb(scans: int) -> bytes:
    """A progressive JPEG whose last scan is repeated: every one costs a pass over the whole picture."""
    plain = encode(gradient(3000, 3000), "JPEG", progressive=True, quality=30)
    last = plain.rindex(b"\xff\xda")
    return plain[:last] + plain[last:-2] * scans + plain[-2:]


def high_png(width: int, height: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(min((3 * width + 1) * height, 1_000_000)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "format_name", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM"]
)
def test_pictures_come_out_as_they_do_in_this_process(decoder, format_name):
    encoded = encode(gradient(200, 150), format_name)
    apart, here = decoder.open(encoded), open_picture(encoded)
    assert apart.size == here.size == (200, 150)
    assert np.array_equal(apart.pixels, here.pixels)


def test_a_large_picture_comes_reduced_and_in_full_when_it_is_asked_for(decoder):
    encoded = encode(gradient(3000, 2000), "JPEG")
    picture = decoder.open(encoded)
    assert picture.pixels.shape == (1000, 1500, 3)
    assert picture.scale == 2
    assert picture.full().pixels.shape == (2000, 3000, 3)


def test_a_file_is_opened_and_one_that_is_gone_is_named_without_its_place(decoder, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode(gradient(20, 20), "PNG"))
    assert decoder.open(path).size == (20, 20)
    path.unlink()
    with pytest.raises(InvalidImageError) as error:
        decoder.open(path)
    assert str(tmp_path) not in str(error.value)


def test_what_is_no_picture_is_refused_in_the_same_words(decoder):
    with pytest.raises(InvalidImageError, match="not a picture that can be read"):
        decoder.open(b"no picture" * 10)
    with pytest.raises(InvalidImageError, match="50 megapixels"):
        decoder.open(high_png(20_000, 20_000))


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(lambda: scan_bomb(500), id="500 scans"),
        pytest.param(lambda: b"P6\n#" + b"x" * 60_000_000, id="a header that is one comment"),
        pytest.param(lambda: high_png(50_000_000, 1), id="one line of 50 megapixels"),
    ],
)
def test_bombs_end_in_a_message_and_the_next_picture_opens(hasty_decoder, bomb):
    content = bomb()
    started = time.process_time()
    with pytest.raises(InvalidImageError, match=r"limit|too large|megapixels"):
        hasty_decoder.open(content)
    assert time.process_time() - started < 1  # of this process: the work was done elsewhere
    assert hasty_decoder.open(encode(gradient(20, 20), "PNG")).size == (20, 20)


def test_a_picture_that_lacks_memory_is_not_called_damaged():
    decoder = PictureDecoder(workers=1, limits=replace(PICTURE, memory=50_000_000))
    content = encode(Image.new("RGB", (6000, 4000)), "PNG", compress_level=1)
    with pytest.raises(
        InvalidImageError, match=r"within the limits on time and memory.*at most 25 megapixels"
    ):
        decoder.open(content)
    with pytest.raises(InvalidImageError, match="damaged"):
        decoder.open(encode(gradient(200, 150), "WEBP")[:200])
    decoder.close()


def test_a_phone_s_photograph_in_tiles_opens_every_time():
    decoder = PictureDecoder(workers=1, limits=replace(PICTURE, memory=200_000_000))
    content = tiled_heic(4032, 3024)
    shapes = [decoder.open(content).pixels.shape for _ in range(2)]
    decoder.close()
    assert shapes == [(1512, 2016, 3)] * 2


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(lambda: tiled_heic(8160, 6120), id="the slowest: HEIC"),
        pytest.param(
            lambda: encode(gradient(8160, 6120), "WEBP", quality=0, method=0), id="the largest: WebP"
        ),
    ],
)
def test_every_picture_of_fifty_megapixels_opens(decoder, written):
    picture = decoder.open(written())
    assert picture.size == (8160, 6120)
    assert picture.pixels.shape == (1530, 2040, 3)


def test_a_bomb_in_flight_keeps_nobody_else_waiting(hasty_decoder):
    content, small = scan_bomb(500), encode(gradient(20, 20), "PNG")
    done = threading.Event()

    def defused() -> None:
        with pytest.raises(InvalidImageError):
            hasty_decoder.open(content)
        done.set()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(defused)
        while not done.is_set():
            assert hasty_decoder.open(small).size == (20, 20)
        waiting.result()


def test_several_at_once_share_the_processes(decoder):
    pictures = [encode(gradient(50 + number, 40), "PNG") for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        sizes = [picture.size for picture in pool.map(decoder.open, pictures)]
    assert sizes == [(50 + number, 40) for number in range(12)]
