"""Labelled photographs are framed as the app frames them, once, and what gives no face is named."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emotion.config import TrainingConfig
from emotion.data import framing
from emotion.data.dataset import Dataset, load_dataset
from emotion.report.pictures import audit_in_words, framing_warnings
from emotion.vision.crop import crop_face
from emotion.vision.faces import detect_faces
from emotion.vision.images import open_image
from tests.data.photographs import EACH, EXAMPLES, FACES, write_photographs
from tests.data.pictures import LABELS, fill, refusal


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photographs(tmp_path_factory.mktemp("photographs"))


def load(root: Path, folder: Path | None = None, **settings) -> Dataset:
    config = TrainingConfig(data=str(root), keep_copies=True, **settings)
    return load_dataset(config, folder=folder)


def test_training_sees_what_the_app_would_cut_out(photographs: Path):
    dataset = load(photographs)

    for examples in (dataset.train, dataset.calibration, dataset.report):
        for index, identifier in enumerate(examples.identifiers):
            picture = open_image(photographs / identifier)
            [face] = detect_faces(picture)
            expected = crop_face(picture, face, size=48)
            np.testing.assert_array_equal(examples.load(np.array([index]), 48, 1)[0, ..., 0], expected)
    found = dataset.audit["framing"]
    assert found["report"]["pictures"] == found["report"]["faces"] == len(dataset.report)
    assert 0.15 < found["train"]["face_side"] < 0.5


def test_whole_pictures_on_request(photographs: Path):
    dataset = load(photographs, framing="whole")

    whole = Image.open(photographs / dataset.train.identifiers[0])
    face = dataset.train.load(np.array([0]), 48, 1)[0, ..., 0]
    assert abs(float(face.mean()) - np.asarray(whole.convert("L")).mean()) < 30
    assert "framing" not in dataset.audit


def test_pictures_as_small_as_the_networks_input_are_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(framing, "detect_faces", None)
    for label in LABELS:
        fill(tmp_path / label, 20)

    dataset = load(tmp_path)

    assert len(dataset.train) + len(dataset.calibration) + len(dataset.report) == 60
    assert "framing" not in dataset.audit


def test_a_photograph_without_a_face_is_left_out_and_named(photographs: Path, tmp_path: Path):
    for path in photographs.rglob("*.png"):
        copy = tmp_path / path.relative_to(photographs)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    for split in ("train", "test"):
        with Image.open(EXAMPLES / "6-no-face.jpg") as landscape:
            landscape.save(tmp_path / split / "sad" / "landscape.png")

    dataset = load(tmp_path)

    assert len(dataset.train) == 3 * EACH
    missed = dataset.audit["framing"]["without_face"]
    assert missed["count"] == 2
    assert sorted(missed["files"]) == ["test/sad/landscape.png", "train/sad/landscape.png"]
    held_out = [dataset.audit["framing"][split] for split in ("calibration", "report")]
    assert sum(each["pictures"] for each in held_out) == 3 * EACH + 1
    assert sum(each["faces"] for each in held_out) == 3 * EACH
    words = "\n".join(audit_in_words(dataset.audit))
    assert "2 pictures were left out because no face was found, such as test/sad/landscape.png" in words


def test_a_label_without_any_face_is_refused(tmp_path: Path):
    for label in LABELS:
        (tmp_path / label).mkdir()
        for number in range(4):
            Image.new("RGB", (200, 200), (number, 0, 0)).save(tmp_path / label / f"{number}.png")
    assert "--framing whole takes pictures as they are" in refusal(tmp_path)


def test_no_picture_is_searched_twice(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    runs = [tmp_path / "runs" / name for name in ("first", "second", "third")]
    for run in runs:
        run.mkdir(parents=True)
    first = load(photographs, runs[0])
    monkeypatch.setattr(framing, "detect_faces", None)

    again, beside = load(photographs, runs[0]), load(photographs, runs[1])

    assert first.train.places == again.train.places == beside.train.places
    for damaged in (b"damaged", (runs[0] / framing.FILE).read_bytes()[:-100]):
        (runs[0] / framing.FILE).write_bytes(damaged)
        with pytest.raises(TypeError):  # it would be searched again
            load(photographs, runs[2])


def test_of_several_faces_the_large_one_in_the_middle_is_labelled():
    scene = Image.new("RGB", (900, 480), (90, 110, 120))
    face = Image.open(EXAMPLES / FACES["happy"]).convert("RGB")
    scene.paste(face.resize((220, round(220 * face.height / face.width))), (340, 100))
    scene.paste(face.resize((180, round(180 * face.height / face.width))), (0, 0))
    picture = np.asarray(scene)

    place = framing.find_face(picture)

    assert len(detect_faces(picture)) == 2
    assert place is not None
    assert 340 < place.box[0] + place.box[2] / 2 < 560


def test_training_and_held_out_pictures_that_are_framed_differently(photographs: Path, tmp_path: Path):
    for label in LABELS:
        (tmp_path / "test" / label).mkdir(parents=True)
        (tmp_path / "train").mkdir(exist_ok=True)
        (tmp_path / "train" / label).symlink_to(photographs / "train" / label)
        for path in (photographs / "test" / label).iterdir():
            picture = open_image(path)
            face = crop_face(picture, detect_faces(picture)[0], size=48)
            Image.fromarray(face).save(tmp_path / "test" / label / path.name)

    warnings = framing_warnings(load(tmp_path).audit)

    assert len(warnings) == 2
    assert all("framed differently" in warning and "100.0% in" in warning for warning in warnings)


def test_what_is_measured_together_keeps_its_faces(photographs: Path):
    dataset = load(photographs)

    joined = dataset.calibration.joined([dataset.report])

    faces = joined.load(np.arange(len(joined)), 48, 1)
    parts = [part.load(np.arange(len(part)), 48, 1) for part in (dataset.calibration, dataset.report)]
    np.testing.assert_array_equal(faces, np.concatenate(parts))
