"""Clips on the command line, with the embedded model."""

import csv
import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from emotion.cli import main
from tests.app_process import EXAMPLES
from tests.video.clips import decode, encode, loudness, people, quarters

HAPPY = next(EXAMPLES.glob("*-happy.jpg"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A second of a happy face that glides to the right, with a tone."""
    smile = np.asarray(Image.open(HAPPY).convert("RGB").resize((320, 320)))
    path = tmp_path_factory.mktemp("clip") / "smile.mov"
    return encode(path, people(30, (smile, 40, 6)), sound=1)


@pytest.fixture
def run(capsys):
    """Run the command line in this process; return its status, output and messages."""

    def call(*arguments: object):
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def rows_of(table):
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_clip_gets_boxes_its_sound_and_a_timeline(run, clip, tmp_path):
    table = tmp_path / "timeline.csv"
    status, output, messages = run(clip, "--annotate", tmp_path / "out", "--csv", table)
    assert (status, output) == (0, "")
    assert "1 clip, 1 face, 0 skipped" in messages
    rows = rows_of(table)
    assert [float(row["time_seconds"]) for row in rows] == pytest.approx(np.arange(10) / 10, abs=0.04)
    assert {(row["file"], row["face"], row["label"]) for row in rows} == {(str(clip), "1", "happy")}
    assert int(rows[-1]["x"]) - int(rows[0]["x"]) == pytest.approx(27 * 6, abs=20)
    assert len(decode(tmp_path / "out" / "smile.mov.mp4")) == 30
    assert loudness(tmp_path / "out" / "smile.mov.mp4") == ("aac", [True, True, False, False])


def test_the_table_sums_a_clip_up(run, clip):
    _, output, _ = run(clip)
    [_, line] = output.splitlines()
    assert "happy" in line
    assert line.endswith("0:00 to 0:00")


def test_json_of_pictures_clips_and_what_cannot_be_read(run, clip, tmp_path):
    (tmp_path / "words.mp4").write_text("no video")
    status, output, messages = run(clip, HAPPY, tmp_path / "words.mp4", tmp_path / "absent.mp4", "--json")
    picture, good, words, absent = json.loads(output)
    assert status == 1
    assert "1 picture, 3 clips, 2 faces, 2 skipped" in messages
    assert [face["label"] for face in picture["faces"]] == ["happy"]
    assert good["file"] == str(clip)
    assert [moment["time"] for moment in good["moments"]] == sorted(
        moment["time"] for moment in good["moments"]
    )
    assert {(moment["face"], moment["label"]) for moment in good["moments"]} == {(1, "happy")}
    assert "not a video" in words["error"]
    assert "no such file" in absent["error"]


def test_a_clip_without_faces_and_a_broken_one_have_a_row_each(run, tmp_path):
    empty = encode(tmp_path / "empty.mp4", quarters(10))
    (tmp_path / "words.mp4").write_text("no video")
    table = tmp_path / "table.csv"
    assert run(empty, tmp_path / "words.mp4", "--csv", table)[0] == 1
    assert [(row["face"], row["reason"], row["error"][:19]) for row in rows_of(table)] == [
        ("0", "no face", ""),
        ("0", "", "This is not a video"),
    ]


@pytest.mark.parametrize("name", ["smile.mp4", "smile.jpg"])
def test_an_original_is_never_replaced(run, clip, tmp_path, name):
    original = clip if name.endswith("mp4") else HAPPY
    path = tmp_path / name
    path.write_bytes(original.read_bytes())
    status, _, messages = run(path, "--annotate", tmp_path)
    assert status == 2
    assert "would replace" in messages
    assert path.read_bytes() == original.read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="has no terminals of this kind")
def test_a_terminal_shows_how_long_it_still_takes(clip, tmp_path):
    import fcntl
    import pty
    import termios

    reader, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))
    command = [sys.executable, "-m", "emotion", clip, "--csv", tmp_path / "timeline.csv"]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=terminal, check=True, timeout=120)
    os.close(terminal)
    shown = os.read(reader, 100_000).decode()
    os.close(reader)
    assert "smile.mov: 100%" in shown
    assert "left" in shown
