"""Models asked about the same labelled pictures: the embedded one, and copies that mix labels up."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emotion.config import TrainingConfig
from emotion.data.dataset import load_dataset
from emotion.errors import DataError
from emotion.model.classifier import EmotionClassifier
from emotion.model.foreign import load_foreign
from emotion.report.comparison import comparison_text
from emotion.training.comparing import compare_models
from tests.drawn_faces import EMOTIONS, write_faces
from tests.models import write_swapped

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "drawn"
    write_faces(folder, EMOTIONS, 16, np.random.default_rng(1))
    return folder


@pytest.fixture(scope="module")
def embedded() -> EmotionClassifier:
    return EmotionClassifier.from_pretrained()


@pytest.fixture(scope="module")
def swapped(tmp_path_factory) -> EmotionClassifier:
    """Sees happy faces as sad, and sad ones as happy."""
    return EmotionClassifier.from_pretrained(write_swapped(tmp_path_factory.mktemp("model") / "swapped"))


def compared(classifiers, data, **options):
    return compare_models(classifiers, str(data), **options)


def test_the_better_model_is_told_and_what_they_differ_on_is_drawn(faces, embedded, swapped, tmp_path):
    found = compared([embedded, swapped], faces, output=tmp_path / "out")
    (pair,) = found.pairs
    assert found.labels == ("angry", "happy", "sad")
    assert (found.labelled_faces, found.data.faces) == (48, 64)
    assert pair.better == "embedded default"
    assert pair.only_first > 20 > pair.only_second
    assert found.models[0].figures["accuracy"].value > 0.8
    assert found.models[0].bytes == (embedded.folder / "model.tflite").stat().st_size
    assert all(model.seconds_per_face > 0 for model in found.models)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "comparison.json", "risk_coverage.png", "differing_faces.png",
    }  # fmt: skip
    assert json.loads((tmp_path / "out" / "comparison.json").read_text())["labelled_faces"] == 48
    with Image.open(tmp_path / "out" / "differing_faces.png") as sheet:
        assert sheet.width > 900
        assert sheet.height > 400


def test_what_is_written_names_no_picture(faces, embedded, swapped, tmp_path):
    compared([embedded, swapped], faces, output=tmp_path)
    text = (tmp_path / "comparison.json").read_text()
    assert "happy_0" not in text
    assert str(faces.parent) not in text


def test_a_model_and_itself_do_not_differ(faces, embedded, tmp_path):
    (tmp_path / "differing_faces.png").write_bytes(b"of an earlier comparison")
    found = compared([embedded, embedded], faces, output=tmp_path)
    assert [model.name for model in found.models] == ["embedded default", "embedded default (2)"]
    assert found.pairs[0].p_value == 1
    assert found.pairs[0].better is None
    assert not (tmp_path / "differing_faces.png").exists()


def test_outputs_are_matched_by_their_names_whatever_their_order(faces, embedded):
    names = ["Anger" if name == "angry" else name.upper() for name in embedded.outputs]
    theirs = load_foreign(str(embedded.folder / "model.tflite"), names)
    found = compared([embedded, theirs], faces)
    assert found.labels == ("angry", "happy", "sad")
    (pair,) = found.pairs
    # Its calibration weighs the labels, which the bare file does not: of these faces it moves one at most.
    assert pair.only_first + pair.only_second <= 1
    assert found.models[1].figures["answered"].value == 1
    assert "model.tflite: as it comes, without calibration or a threshold." in comparison_text(found)


@pytest.mark.parametrize("told", ["fingerprint", "source"])
def test_on_pictures_that_a_model_was_trained_on_only_the_reported_half_counts(
    told, faces, embedded, swapped
):
    config = TrainingConfig(
        data=str(faces), background=embedded.outputs[3:], keep_copies=True, validation_fraction=0.5
    )
    dataset = load_dataset(config, evaluation=True)
    description = replace(
        embedded.description,
        data={"fingerprint": dataset.fingerprint} if told == "fingerprint" else {"source": "press + Drawn"},
        training={**embedded.description.training, "validation_fraction": 0.5},
    )
    trained = EmotionClassifier(embedded.network, description, folder=embedded.folder, model_name="trained")
    other = EmotionClassifier(
        swapped.network, replace(swapped.description, training=description.training), model_name="other"
    )
    found = compared([other, trained], faces)
    assert found.data.report_split == "half of held-out"
    assert found.data.faces == len(dataset.report)
    (note,) = found.notes
    assert note.startswith("other: trained on other pictures, as far as is known")
    assert compared([embedded, swapped], faces).data.report_split == "all faces"


def test_votes_and_groups_are_read_for_the_compared_faces(faces, embedded, swapped, tmp_path):
    names = [f"{label}/{label}_{k:03d}.jpg" for label in EMOTIONS for k in range(16)]
    votes = ["image,anger,happiness,sadness,unknown,note"]
    votes += [f"{name},0,{9 if k % 2 else 4},1,{6 if k % 2 == 0 else 0},x" for k, name in enumerate(names)]
    groups = ["image,camera", *(f"{name},{'phone' if k % 3 else 'web'}" for k, name in enumerate(names))]
    (tmp_path / "votes.csv").write_text("\n".join(votes))
    (tmp_path / "groups.csv").write_text("\n".join(groups))
    found = compared([embedded, swapped], faces, votes=tmp_path / "votes.csv", groups=tmp_path / "groups.csv")
    assert found.agreed_faces == 24, "every second face; where 4 of 11 say happy nobody agrees"
    answers = found.models[0].report.confusion_matrix.counts
    assert found.models[0].figures["agreed_accuracy"].value == pytest.approx(
        sum(row[1] for row in answers) / 48, abs=0.15
    )
    assert found.models[1].report.groups["camera"].groups["phone"].faces == 32
    assert found.models[1].report.groups["camera"].too_small == {"web": 16}


def test_models_without_common_labels_are_not_compared(faces, embedded, tmp_path):
    folder = tmp_path / "other"
    shutil.copytree(write_swapped(tmp_path / "model"), folder)
    names = ["joy", "rage", "sad"]
    description = replace(embedded.description, labels=tuple(names), outputs=(*names, *embedded.outputs[3:]))
    other = EmotionClassifier(embedded.network, description, model_name="other")
    with pytest.raises(DataError, match=r"less than two labels in common.*other: joy, rage, sad.*--outputs"):
        compared([embedded, other], faces)
    with pytest.raises(DataError, match="2 to 26 models"):
        compared([embedded], faces)
