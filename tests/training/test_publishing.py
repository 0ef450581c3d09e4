"""Publishing over a model: how the new one compares is told, and a better one is not replaced by accident."""

import json
import logging
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from emotion.errors import PublishError
from emotion.model.loading import EMBEDDED
from emotion.report.metadata import split_card
from emotion.training.arguments import build_parser
from emotion.training.command import main
from emotion.training.publishing import publish_model
from tests.drawn_faces import EMOTIONS, write_faces
from tests.hub_server import HubServer
from tests.models import write_swapped

pytestmark = pytest.mark.slow

GOOD = EMBEDDED


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("data") / "drawn"
    write_faces(folder, EMOTIONS, 16, np.random.default_rng(1))
    return str(folder)


@pytest.fixture
def bad(tmp_path) -> Path:
    return write_swapped(tmp_path / "bad")


@pytest.fixture
def signed_in(hub: HubServer, caplog) -> HubServer:
    hub.sign_in()
    caplog.set_level(logging.INFO)
    return hub


def labels_on(hub: HubServer, repo_id: str = "user/faces") -> list[str]:
    return json.loads(hub.files(repo_id)["emotion.json"])["labels"]


def test_a_better_model_stays_and_the_command_that_replaces_it_is_told(signed_in, faces, bad, caplog):
    signed_in.add_repository("user/faces", GOOD)
    with pytest.raises(PublishError) as refused:
        publish_model(bad, "user/faces", data=faces, also=["--data", faces])
    assert "The model in user/faces is better than the new one, and that is unlikely to be chance" in str(
        refused.value
    )
    assert labels_on(signed_in) == ["angry", "happy", "sad"]
    assert not signed_in.asked("commit/|preupload")
    assert "B is right more often" in caplog.text

    command = re.search(r"^    python train\.py (--publish .*)$", str(refused.value), re.MULTILINE)[1]
    options = build_parser().parse_args(shlex.split(command))
    assert options.replace_better
    publish_model(
        options.publish, options.push.name, data=options.data, replace_better=options.replace_better
    )
    assert labels_on(signed_in) == ["angry", "sad", "happy"]


def test_a_licence_typed_while_publishing_is_in_the_card_and_what_a_person_changes_there_stays(signed_in):
    publishing = ["--publish", str(GOOD), "--push", "user/faces"]
    typed = ["--license", "cc-by-4.0", "--license-note", "All of them agreed."]
    assert main([*publishing, *typed]) == 0
    card = signed_in.files("user/faces")["README.md"].decode()
    assert split_card(card)[0]["license"] == "cc-by-4.0"
    assert "license_name" not in split_card(card)[0]
    assert "The weights are published under `cc-by-4.0`. All of them agreed." in card

    theirs = card.replace("license: cc-by-4.0", "license: cc0-1.0")
    theirs = theirs.replace("## Limits\n", "## Limits\n\nNot for dogs.\n")
    signed_in.add_commit(signed_in.repository("user/faces", "model"), {"README.md": theirs.encode()})
    assert main(publishing) == 0
    second = signed_in.files("user/faces")["README.md"].decode()
    assert split_card(second)[0]["license"] == "cc0-1.0"
    assert "\n\nNot for dogs.\n" in second
    assert "## Groups of people" in second


def test_a_worse_model_is_replaced_and_the_gain_is_told(signed_in, faces, bad, caplog):
    signed_in.add_repository("user/faces", bad)
    publish_model(GOOD, "user/faces", data=faces)
    assert labels_on(signed_in) == ["angry", "happy", "sad"]
    assert "A is right more often, and that is unlikely to be chance" in caplog.text
    assert "48 faces of angry, happy, sad" in caplog.text


def test_without_a_model_there_nothing_is_compared(signed_in, faces, caplog):
    publish_model(GOOD, "user/new", data=faces)
    assert labels_on(signed_in, "user/new") == ["angry", "happy", "sad"]
    assert "McNemar" not in caplog.text


def test_a_new_branch_replaces_nothing(signed_in, faces, bad):
    signed_in.add_repository("user/faces", GOOD)
    publish_model(bad, "user/faces", revision="try", data=faces)
    assert labels_on(signed_in) == ["angry", "happy", "sad"]
    assert json.loads(signed_in.files("user/faces", "try")["emotion.json"])["labels"] == [
        "angry",
        "sad",
        "happy",
    ]


def test_without_data_it_is_said_that_nothing_was_compared(signed_in, bad, caplog):
    signed_in.add_repository("user/faces", GOOD)
    publish_model(bad, "user/faces")
    assert labels_on(signed_in) == ["angry", "sad", "happy"]
    assert "--data FOLDER would compare the two on the same faces." in caplog.text


def write_report(folder: Path, right: int, faces: int) -> Path:
    """Give a saved model a report about two labels, as many faces each."""
    share = right / faces
    error = 1.96 * (share * (1 - share) / faces) ** 0.5
    report = {
        "accuracy": {"value": share, "interval": [share - error, share + error], "faces": faces},
        "per_class": {"happy": {"support": faces // 2}, "sad": {"support": faces // 2}},
    }
    (folder / "report.json").write_text(json.dumps(report))
    return folder


def test_without_data_a_model_that_is_better_by_its_report_stays(signed_in, bad, tmp_path):
    there = write_report(shutil.copytree(GOOD, tmp_path / "there"), right=90, faces=100)
    signed_in.add_repository("user/faces", there)
    write_report(bad, right=70, faces=100)
    with pytest.raises(PublishError, match=r"90\.0% of 100 faces, the new one for 70\.0% of 100"):
        publish_model(bad, "user/faces")
    assert labels_on(signed_in) == ["angry", "happy", "sad"]
    publish_model(bad, "user/faces", replace_better=True)
    assert labels_on(signed_in) == ["angry", "sad", "happy"]


def test_a_model_that_may_be_guessing_is_published_only_if_asked_to(signed_in, bad):
    write_report(bad, right=55, faces=100)
    with pytest.raises(PublishError, match=r"no better than guessing[\s\S]*--publish-anyway"):
        publish_model(bad, "user/new")
    assert not signed_in.asked("commit/|preupload")
    publish_model(bad, "user/new", publish_anyway=True)
    assert labels_on(signed_in, "user/new") == ["angry", "sad", "happy"]
    assert "**It may be no better than guessing" in signed_in.files("user/new")["README.md"].decode()


def test_a_model_that_cannot_be_compared_with_is_replaced_with_a_word(signed_in, faces, caplog):
    signed_in.add_repository("user/faces", {"emotion.json": b"{}"})
    publish_model(GOOD, "user/faces", data=faces)
    assert labels_on(signed_in) == ["angry", "happy", "sad"]
    assert "The model already in user/faces cannot be compared with this one." in caplog.text


def test_data_that_is_not_there_stops_the_publication_with_the_command_for_later(signed_in, bad):
    signed_in.add_repository("user/faces", GOOD)
    with pytest.raises(PublishError, match=r"There is no folder or file nowhere[\s\S]*To publish it later"):
        publish_model(bad, "user/faces", data="nowhere")
    assert labels_on(signed_in) == ["angry", "happy", "sad"]


def test_a_hub_that_does_not_answer_replaces_nothing(signed_in, faces, bad):
    signed_in.add_repository("user/faces", GOOD)
    signed_in.refuse("HEAD .*emotion.json", 500)
    with pytest.raises(PublishError, match="The Hub has a problem"):
        publish_model(bad, "user/faces", data=faces)
    assert labels_on(signed_in) == ["angry", "happy", "sad"]
