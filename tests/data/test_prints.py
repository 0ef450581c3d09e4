"""Pictures with equal pixels are recognised whatever file they are in."""

from pathlib import Path

import numpy as np

from emotion.data.examples import Examples
from emotion.data.prints import exact_groups, take_prints
from emotion.data.sources import FolderReader
from tests.data.scenes import draw_scene


def test_exact_copies_have_equal_pixels_whatever_the_file(tmp_path: Path):
    scene, other = (draw_scene(np.random.default_rng(seed)) for seed in (0, 1))
    scene.save(tmp_path / "a.png")
    scene.convert("RGB").save(tmp_path / "b.bmp")
    other.save(tmp_path / "c.png")
    scene.save(tmp_path / "d.png", compress_level=1)
    examples = Examples(["a.png", "b.bmp", "c.png", "d.png"], np.zeros(4, np.int64), FolderReader(tmp_path))

    assert exact_groups(take_prints(examples).digests).tolist() == [0, 0, 2, 0]
