"""`python -m emotion compare` as a person types it, with the embedded model, a worse copy and a bare file."""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from emotion.cli import main
from emotion.model.loading import EMBEDDED
from tests.drawn_faces import EMOTIONS, write_faces
from tests.models import write_swapped

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder to type commands in: pictures, groups, votes, a trained model and somebody's file."""
    write_faces(tmp_path / "pictures", EMOTIONS, 12, np.random.default_rng(1))
    names = [f"{label}/{label}_{k:03d}.jpg" for label in EMOTIONS for k in range(12)]
    (tmp_path / "groups.csv").write_text("image,age\n" + "".join(f"{name},9\n" for name in names))
    votes = "".join(f"{name},{name.startswith('happy'):d},0\n" for name in names)
    (tmp_path / "votes.csv").write_text("image,happy,sad\n" + votes)
    write_swapped(tmp_path / "runs" / "new")
    shutil.copy(EMBEDDED / "model.tflite", tmp_path / "theirs.tflite")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_table_and_a_verdict_are_printed_and_the_files_lie_where_it_says(place, capsys):
    status = main(["compare", "embedded", "runs/new", "--data", "pictures", "--groups", "groups.csv"])
    printed = capsys.readouterr()
    assert status == 0
    assert "A: embedded default\nB: runs/new\n" in printed.out
    assert re.search(r"^Accuracy +\d+\.\d% \(", printed.out, re.MULTILINE)
    assert "A is right more often, and that is unlikely to be chance" in printed.out
    folder = re.search(r"are in (runs/\S+-comparison)\.", printed.err)[1]
    assert (place / folder / "differing_faces.png").is_file()
    assert (place / folder / "risk_coverage.png").is_file()


def test_json_alone_goes_to_the_output(place, capsys):
    command = ["compare", "embedded", "theirs.tflite", "--data", "pictures", "--json", "--output", "out"]
    outputs = ["angry", "happy", "sad", "neutral", "fear", "surprise", "disgust"]
    assert main([*command, "--votes", "votes.csv", "--outputs", *outputs]) == 0
    values = json.loads(capsys.readouterr().out)
    assert [model["name"] for model in values["models"]] == ["embedded default", "theirs.tflite"]
    assert values["agreed_faces"] == 12
    assert values == json.loads((place / "out" / "comparison.json").read_text())


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("embedded nowhere --data pictures", "There is no folder 'nowhere'"),
        ("embedded --data pictures", "Name 2 to 26 models to compare"),
        ("embedded runs/new --data nowhere", "There is no folder or file nowhere"),
        ("embedded theirs.tflite --data pictures", "Name what each means, in order, with --outputs"),
        ("embedded runs/new --data pictures --votes none.csv", "Check the path given to --votes"),
        ("embedded runs/new --data pictures --groups none.csv", "Check the path given to --groups"),
        (
            "embedded theirs.tflite --outputs a b --outputs c d --data pictures",
            "Give it once for all, or once",
        ),
        ("embedded runs/new --data pictures --output groups.csv", "groups.csv"),
    ],
)
def test_what_cannot_be_compared_is_one_line_with_what_to_do(typed, message, capsys):
    assert main(["compare", *typed.split()]) == 2
    printed = capsys.readouterr()
    (line,) = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert message in line
    assert "Traceback" not in printed.err
    assert printed.out == ""


def test_without_the_packages_of_training_it_says_what_to_type(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "emotion.training.comparing", None)
    assert main(["compare", "embedded", "embedded", "--data", "pictures"]) == 2
    assert capsys.readouterr().err.endswith(
        "Comparing needs more than the app; type: pip install -r requirements.txt\n"
    )


@pytest.mark.slow
@pytest.mark.usefixtures("place")
def test_every_command_of_its_page_works(hub, capsys):
    hub.sign_in()
    hub.add_repository("user/name", EMBEDDED)
    text = (ROOT / "docs" / "comparing.md").read_text(encoding="utf-8").replace("owner/name", "user/name")
    section = text.split("```\n")[1]
    commands = re.findall(r"^python (-m emotion|train\.py) ([^#\n]+)", section, re.MULTILINE)
    assert len(commands) >= 4
    from emotion.training.command import main as train

    for program, typed in commands:
        status = (main if program == "-m emotion" else train)(shlex.split(typed))
        printed = capsys.readouterr()
        better_is_there = "--push" in typed and "--replace-better" not in typed
        assert status == (2 if better_is_there else 0), printed.err
