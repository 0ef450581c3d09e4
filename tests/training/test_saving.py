"""What a model got wrong is drawn, for those who trained it."""

import numpy as np
import pytest
from PIL import Image

from emotion.training.saving import write_wrong_faces
from tests.training.stripes import ArrayDataset, stripes

pytestmark = pytest.mark.slow


def test_sheet_shows_the_most_certain_mistakes_only_if_there_are_any(tmp_path):
    examples = stripes(faces=20)
    examples.faces = np.repeat(np.repeat(examples.faces, 2, axis=1), 2, axis=2)
    probabilities = np.full((20, 5), 0.1)
    probabilities[np.arange(20), examples.targets] = 0.6
    dataset, path = ArrayDataset(calibration=examples, report=examples), tmp_path / "wrong_faces.png"
    assert write_wrong_faces(dataset, probabilities, tmp_path) is None
    assert not path.exists()
    wrong = np.flatnonzero(examples.targets < 3)[:3]
    probabilities[wrong] = np.roll(probabilities[wrong, :3], 1, axis=1) @ np.eye(3, 5)
    assert write_wrong_faces(dataset, probabilities, tmp_path) == path
    assert examples.largest_batch == 3
    with Image.open(path) as picture:
        assert picture.format == "PNG"
