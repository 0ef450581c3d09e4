"""Pictures that travel inside the page."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from emotion.web.components import data_url

pytestmark = pytest.mark.slow


def test_shown_pictures_are_reduced():
    encoded = data_url(np.zeros((3000, 1500, 3), np.uint8))
    shown = Image.open(io.BytesIO(base64.b64decode(encoded.partition(",")[2])))
    assert shown.size == (640, 1280)
