"""Opening pictures: every format, mode, orientation and limit, with real encoded bytes."""

import io
import struct
import zlib

import numpy as np
import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from emotion.errors import InvalidImageError
from emotion.vision import images
from emotion.vision.images import EXTENSIONS, open_image, open_picture

ORIENTATION = 0x0112

# What a viewer has to do with the stored pixels, by EXIF orientation, and so its inverse stores them.
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.fixture(scope="module")
def colours() -> np.ndarray:
    """A smooth 32×48 picture whose corners all differ: red grows rightwards, green downwards."""
    rows, columns = np.mgrid[0:32, 0:48]
    return np.stack([columns * 5, rows * 7, np.full((32, 48), 60)], axis=2).astype(np.uint8)


def encode(picture: np.ndarray | Image.Image, format_name: str, **options) -> bytes:
    image = Image.fromarray(np.ascontiguousarray(picture)) if isinstance(picture, np.ndarray) else picture
    stream = io.BytesIO()
    image.save(stream, format_name, **options)
    return stream.getvalue()


def difference(one: np.ndarray, other: np.ndarray) -> float:
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.parametrize("format_name", ["PNG", "BMP", "TIFF", "PPM", "TGA"])
def test_lossless_formats_give_the_same_pixels(colours, format_name):
    assert np.array_equal(open_image(encode(colours, format_name)), colours)


@pytest.mark.parametrize(
    ("format_name", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("WEBP", {"quality": 95}),
        ("AVIF", {"quality": 95}),
        ("JPEG2000", {}),
        ("GIF", {}),
    ],
)
def test_lossy_formats_give_nearly_the_same_pixels(colours, format_name, options):
    assert difference(open_image(encode(colours, format_name, **options)), colours) < 8


def test_heic_is_read(colours):
    stream = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(colours)).save(stream, quality=95)
    assert difference(open_image(stream.getvalue()), colours) < 8


def test_camera_file_with_two_pictures_gives_the_first(colours):
    data = encode(colours, "MPO", save_all=True, append_images=[Image.new("RGB", (48, 32))], quality=95)
    assert difference(open_image(data), colours) < 8


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_orientation_comes_out_upright(colours, format_name, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {} if format_name in ("PNG", "TIFF") else {"quality": 95}
    data = encode(STORED[orientation](colours), format_name, exif=exif, **options)
    assert difference(open_image(data), colours) < 8


def test_orientation_of_a_pil_image_is_applied(colours):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    with Image.open(io.BytesIO(encode(np.rot90(colours), "PNG", exif=exif))) as image:
        assert np.array_equal(open_image(image), colours)


def test_broken_exif_is_ignored(colours):
    data = encode(
        colours, "JPEG", quality=95, exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff\x01\x12garbage"
    )
    assert difference(open_image(data), colours) < 8


def test_grey_and_two_colour_pictures(colours):
    grey = colours[:, :, 0]
    assert np.array_equal(open_image(encode(grey, "PNG")), np.repeat(grey[:, :, None], 3, axis=2))
    bits = Image.fromarray(grey > 120)
    assert bits.mode == "1"
    assert set(np.unique(open_image(encode(bits, "PNG")))) == {0, 255}


def test_palette(colours):
    image = Image.fromarray(colours).quantize(64)
    assert difference(open_image(encode(image, "PNG")), colours) < 10


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA"])
def test_transparency_is_laid_on_white(mode):
    image = Image.new("RGBA", (4, 2), (200, 200, 200, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    if mode == "P":
        image = image.quantize(4)
    elif mode == "PA":
        image = image.convert("RGBA").convert("PA")
    else:
        image = image.convert(mode)
    pixels = open_image(image if mode == "PA" else encode(image, "PNG"))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[1, 1].tolist() == [200, 200, 200]


def test_half_transparency_mixes_with_white():
    assert open_image(Image.new("RGBA", (2, 2), (0, 0, 0, 128)))[0, 0].tolist() == [127, 127, 127]


def test_colour_named_transparent_in_a_grey_png():
    pixels = open_image(encode(Image.new("L", (2, 2), 7), "PNG", transparency=7))
    assert np.all(pixels == 255)


@pytest.mark.parametrize("format_name", ["JPEG", "TIFF"])
def test_cmyk(format_name):
    image = Image.new("RGB", (32, 32), (250, 120, 10)).convert("CMYK")
    pixels = open_image(encode(image, format_name))
    assert np.abs(pixels.astype(int) - (250, 120, 10)).max() < 12


def test_lab_gives_its_lightness():
    pixels = open_image(Image.new("LAB", (2, 2), (200, 128, 128)))
    assert np.all(pixels == 200)


@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled(format_name):
    values = np.array([[0, 257 * 100, 65535]], np.uint16)
    assert open_image(encode(Image.fromarray(values), format_name))[0, :, 0].tolist() == [0, 100, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),
        (np.array([[0, 100, 200]], np.float32), [0, 100, 200]),
        (np.array([[-5, np.nan, 1]], np.float32), [0, 0, 255]),
        (np.array([[0, 25700, 65535]], np.int32), [0, 100, 255]),
        (np.array([[0, 100_000, 200_000]], np.int32), [0, 128, 255]),
    ],
)
def test_wide_pixels_are_scaled_by_the_smallest_white(values, expected):
    assert open_image(encode(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == expected


@pytest.mark.parametrize("format_name", ["GIF", "WEBP", "PNG", "TIFF"])
def test_animation_gives_its_first_frame(format_name):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if format_name == "WEBP" else {}
    data = encode(frames[0], format_name, save_all=True, append_images=frames[1:], **options)
    assert open_image(data)[4, 4].tolist() == [255, 0, 0]


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "GIF", "TIFF", "BMP"])
def test_cut_off_file_gives_what_there_is(format_name):
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    whole = encode(noise, format_name)
    expected = open_image(whole)
    pixels = open_image(whole[: len(whole) * 3 // 4])
    assert pixels.shape == (120, 160, 3)
    assert min(difference(pixels[:40], expected[:40]), difference(pixels[-40:], expected[-40:])) < 1


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP"])
def test_file_cut_off_anywhere_opens_or_is_refused(format_name):
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    whole = encode(noise, format_name)
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        try:
            assert open_image(whole[:length]).shape == (24, 32, 3)
        except InvalidImageError as error:
            assert str(error)


def test_nothing_but_a_header_is_refused(colours):
    data = encode(colours, "JPEG")
    with pytest.raises(InvalidImageError, match="damaged"):
        open_image(data[: data.index(b"\xff\xda") + 14])


def test_flipped_bytes_open_or_are_refused(colours):
    rng = np.random.default_rng(1)
    for format_name in ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "TIFF", "BMP"):
        whole = np.frombuffer(encode(colours, format_name), np.uint8)
        for _ in range(40):
            broken = whole.copy()
            broken[rng.integers(0, len(whole), 5)] = rng.integers(0, 256, 5)
            try:
                assert open_image(broken.tobytes()).dtype == np.uint8
            except InvalidImageError as error:
                assert str(error)


def bomb(width: int, height: int) -> bytes:
    """A valid PNG of black pixels, a few kilobytes however large the picture."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1024), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(8000, 6251), (20_000, 20_000), (60_000, 60_000)])
def test_bombs_are_refused_before_decoding_and_the_limit_is_named(size):
    with pytest.raises(InvalidImageError, match="50 megapixels"):
        open_image(bomb(*size))


def test_the_limit_holds_for_arrays_pictures_and_files(colours, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 32 * 48)
    assert open_image(colours).shape == (32, 48, 3)
    monkeypatch.setattr(images, "MAX_PIXELS", 1000)
    for source in (colours, Image.fromarray(colours), encode(colours, "PNG")):
        with pytest.raises(InvalidImageError, match=r"limit is 0\.001 megapixels"):
            open_image(source)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG"])
def test_huge_pictures_are_decoded_reduced(format_name):
    picture = Image.linear_gradient("L").resize((6400, 4800))
    options = {"compress_level": 1} if format_name == "PNG" else {}
    pixels = open_image(encode(picture, format_name, **options))
    assert pixels.shape == (2400, 3200, 3)
    assert difference(pixels[::10, ::10, 0], np.asarray(picture.resize((320, 240), Image.Resampling.BOX))) < 2


@pytest.mark.parametrize("mode", ["1", "P", "I;16", "LA", "CMYK"])
def test_huge_pictures_of_any_mode_are_reduced(mode):
    picture = Image.linear_gradient("L").resize((6000, 5000)).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture).astype(np.uint16) * 257)
    encoded = encode(picture, "TIFF")
    pixels = open_image(encoded)
    assert pixels.shape == (2500, 3000, 3)
    expected = np.linspace(0, 255, 2500).astype(int)
    assert np.abs(pixels[:, :, 0].mean(axis=1) - expected).mean() < 20


def test_high_pictures_are_reduced_as_wide_ones_are():
    assert open_image(encode(Image.new("L", (1, 60_000)), "PNG")).shape == (60_000, 1, 3)
    assert open_picture(encode(Image.new("L", (3, 60_000)), "PNG")).pixels.shape == (1875, 1, 3)
    with pytest.raises(InvalidImageError, match="65535 pixels a side"):
        open_image(encode(Image.new("1", (1, 70_000)), "PNG"))


def test_a_picture_opens_no_larger_than_the_search_needs_it():
    encoded = encode(Image.linear_gradient("L").resize((4000, 3000)), "JPEG")
    picture = open_picture(encoded)
    assert picture.pixels.shape == (1500, 2000, 3)
    assert picture.size == (4000, 3000)
    assert picture.scale == 2
    assert np.array_equal(picture.full().pixels, open_image(encoded))
    assert picture.full().scale == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_and_pixels_of_a_reduced_picture_are_upright(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = open_picture(encode(Image.new("L", (4000, 3000)), "JPEG", exif=exif))
    assert picture.size == ((4000, 3000) if orientation < 5 else (3000, 4000))
    assert picture.pixels.shape[:2] == ((1500, 2000) if orientation < 5 else (2000, 1500))


def test_twelve_megapixels_are_not_reduced():
    assert open_image(encode(Image.new("L", (4000, 3000)), "JPEG")).shape == (3000, 4000, 3)


def test_paths(tmp_path, colours):
    path = tmp_path / "gesicht ü.png"
    path.write_bytes(encode(colours, "PNG"))
    assert np.array_equal(open_image(path), colours)
    assert np.array_equal(open_image(str(path)), colours)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "empty"), (b"just words", "not a picture"), (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not a picture")],
)
def test_files_that_are_no_pictures(tmp_path, content, message):
    path = tmp_path / "note.jpg"
    path.write_bytes(content)
    for source in (path, content):
        with pytest.raises(InvalidImageError, match=message):
            open_image(source)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(InvalidImageError, match="no file"):
        open_image(tmp_path / "absent.jpg")
    with pytest.raises(InvalidImageError, match="folder"):
        open_image(tmp_path)
    with pytest.raises(InvalidImageError, match="cannot be opened"):
        open_image("nul\0byte.jpg")


@pytest.mark.parametrize("source", [None, 3, ["a.jpg"], {"path": "a.jpg"}])
def test_other_objects_are_refused(source):
    with pytest.raises(InvalidImageError, match="is not a picture"):
        open_image(source)


def test_invalid_image_error_is_a_value_error():
    assert issubclass(InvalidImageError, ValueError)


def test_arrays(colours):
    grey = colours[:, :, 0]
    stacked = np.repeat(grey[:, :, None], 3, axis=2)
    assert np.array_equal(open_image(colours), colours)
    assert np.array_equal(open_image(grey), stacked)
    assert np.array_equal(open_image(grey[:, :, None]), stacked)
    assert np.array_equal(open_image(grey.astype(np.uint16) * 257), stacked)
    assert np.array_equal(open_image(grey > 100), np.where(stacked > 100, 255, 0))
    assert np.array_equal(open_image(np.dstack([colours, np.full(grey.shape, 255, np.uint8)])), colours)
    assert open_image(colours[::-1, ::2]).flags.c_contiguous


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int8, np.complex64, object])
def test_arrays_whose_white_is_unknown_are_refused(dtype):
    with pytest.raises(InvalidImageError, match="uint8"):
        open_image(np.zeros((4, 4, 3), dtype))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    arrays.arrays(
        st.one_of(arrays.scalar_dtypes(), st.just(np.dtype(np.uint8))),
        arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6),
    )
)
def test_any_array_opens_or_is_refused(array):
    try:
        pixels = open_image(array)
    except InvalidImageError as error:
        assert str(error).endswith(".")
    else:
        assert pixels.dtype == np.uint8
        assert pixels.shape == (*array.shape[:2], 3)


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"BM"]),
)
def test_any_bytes_open_or_are_refused(data, magic):
    try:
        assert open_image(magic + data).ndim == 3
    except InvalidImageError as error:
        assert str(error)


def test_extensions_are_lower_case_and_cover_phones_and_browsers():
    assert {".jpg", ".jpeg", ".png", ".webp", ".heic", ".avif", ".gif"} <= EXTENSIONS
    assert all(name == name.lower() for name in EXTENSIONS)
