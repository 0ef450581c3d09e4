"""The same face looks alike in another light and size, and other faces do not."""

import numpy as np
import pytest
from matplotlib import cbook
from PIL import Image, ImageEnhance

from emotion.vision.crop import look
from tests.app_process import EXAMPLES


def crops():
    """Grace Hopper and Eileen Collins, cut about as the network sees them."""
    hopper = Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    collins = Image.open(next(EXAMPLES.glob("*-happy.*")))
    return [hopper.convert("L").crop((170, 125, 365, 320)), collins.convert("L").crop((170, 70, 275, 175))]


def described(image, side=48):
    return look(np.asarray(image.resize((side, side), Image.Resampling.BICUBIC)))


@pytest.mark.parametrize(
    "changed",
    [
        lambda image: ImageEnhance.Brightness(image).enhance(0.7),
        lambda image: ImageEnhance.Contrast(image).enhance(0.7),
        lambda image: image.rotate(3, Image.Resampling.BICUBIC),
        lambda image: image.resize((30, 30), Image.Resampling.BICUBIC),
    ],
    ids=["darker", "flatter", "rolled", "smaller"],
)
def test_a_face_is_more_like_itself_than_like_another(changed):
    one, other = crops()
    assert described(one) @ described(changed(one)) > 0.75
    assert described(one) @ described(changed(other)) < 0.45


def test_looks_have_length_1_whatever_the_crop():
    for crop in (np.zeros((48, 48), np.uint8), np.asarray(crops()[0].convert("RGB").resize((96, 96)))):
        shape = look(crop)
        assert (shape.shape, shape.dtype) == ((144,), np.float32)
        assert np.linalg.norm(shape) == pytest.approx(float(crop.any()), abs=1e-5)
