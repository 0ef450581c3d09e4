"""Several `--data` sources are one data set: each split by itself, audited together, shown as asked."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emotion.data.dataset import Dataset
from emotion.data.soft_targets import load_soft_targets
from emotion.errors import DataError
from tests.data.pictures import LABELS, fill, fill_splits, load_several, two_sources


@pytest.fixture
def sources(tmp_path: Path) -> tuple[Path, Path]:
    return two_sources(tmp_path)


@pytest.fixture
def both(sources: tuple[Path, Path]) -> Dataset:
    return load_several(sources, background=("*",))


def test_pictures_carry_the_name_of_their_source(both: Dataset):
    assert both.source.count(" + ") == 1
    assert both.outputs == (*LABELS, "neutral")
    assert both.train.sources == ("web", "press")
    assert "web/train/angry/000.png" in both.train.identifiers
    assert "press/train/neutral/000.png" in both.train.identifiers
    names = both.train.source_names()
    assert names is not None
    assert (names.count("web"), names.count("press")) == (18, 16)
    faces = both.train.load(np.arange(len(both.train)), 48, 1)
    assert len({face.tobytes() for face in faces}) == len(both.train)


def test_every_source_is_split_as_if_it_were_alone(sources: tuple[Path, Path], both: Dataset):
    for part in ("train", "calibration", "report"):
        for name, folder in zip(("web", "press"), sources, strict=True):
            alone = getattr(load_several([folder], background=("*",)), part)
            together = getattr(both, part)
            own = [path.removeprefix(f"{name}/") for path in together.identifiers if path.startswith(name)]
            assert own == alone.identifiers
    assert both.report_split == "half of validation and test"


def test_a_copy_in_another_source_is_not_trained_on(sources: tuple[Path, Path]):
    web, press = sources
    Image.open(press / "test" / "sad" / "000.png").save(web / "train" / "sad" / "copy.png")
    both = load_several(sources, background=("*",))
    assert "web/train/sad/copy.png" not in both.train.identifiers
    assert both.audit["removed"]["from_train"] == 1


def test_one_source_knows_nothing_of_names(sources: tuple[Path, Path]):
    alone = load_several(sources[:1])
    assert alone.train.sources == ()
    assert alone.train.source_names() is None
    assert alone.train.identifiers[0] == "train/angry/000.png"
    assert set(alone.train.source_of().tolist()) == {0}


def test_two_sources_of_one_name_are_refused(tmp_path: Path):
    folders = [fill_splits(tmp_path / place / "faces", train=3, validation=3) for place in ("here", "there")]
    with pytest.raises(DataError, match="Two sources of --data are called faces"):
        load_several(folders)


def test_votes_name_a_picture_as_its_own_source_does(both: Dataset, tmp_path: Path):
    votes = tmp_path / "votes.csv"
    votes.write_text("image,angry,happy,sad\ntrain/happy/005.png,0,3,1\nweb/train/sad/001.png,0,1,1\n")
    targets = load_soft_targets(votes, both)
    row = both.train.identifiers.index
    np.testing.assert_allclose(targets[row("web/train/happy/005.png")], [0, 0.75, 0.25, 0])
    np.testing.assert_allclose(targets[row("web/train/sad/001.png")], [0, 0.5, 0.5, 0])
    np.testing.assert_allclose(targets[row("press/train/sad/001.png")], [0, 0, 1, 0])


def test_votes_count_in_part_and_background_keeps_its_share(both: Dataset, tmp_path: Path):
    votes = tmp_path / "votes.csv"
    votes.write_text("image,neutral,sad,angry\nweb/train/sad/000.png,4,6,0\n")
    targets = load_soft_targets(votes, both, weight=0.5, background=0.5)
    row = both.train.identifiers.index("web/train/sad/000.png")
    np.testing.assert_allclose(targets[row], [0, 0, 0.5 * 0.8 + 0.5, 0.5 * 0.2], rtol=1e-6)


def test_a_label_that_one_source_lacks_is_named(tmp_path: Path):
    web = fill_splits(tmp_path / "web", train=3, validation=3)
    fill(tmp_path / "press" / "happy", 3)
    with pytest.raises(DataError, match="press has no folder angry"):
        load_several([web, tmp_path / "press"])
