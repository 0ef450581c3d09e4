"""The command line on files and folders, good, bad and nested, with the embedded model."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib import cbook
from PIL import Image

from emotion.cli import main
from emotion.cli.predict import picture_files

PORTRAIT = Path(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))  # public domain, U.S. Navy
LABELS = {"angry", "happy", "sad"}


@pytest.fixture(scope="module")
def album(tmp_path_factory) -> Path:
    """Two portraits, one of them nested, a picture without a face, a text file named .jpg, and a note."""
    folder = tmp_path_factory.mktemp("album")
    nested = folder / "2024" / "summer"
    nested.mkdir(parents=True)
    shutil.copy(PORTRAIT, folder / "b portrait.jpg")
    Image.open(PORTRAIT).convert("L").save(nested / "grey.PNG")
    Image.new("RGB", (320, 240), "navy").save(folder / "c empty.webp")
    (folder / "d broken.jpg").write_text("these are words")
    (folder / "notes.txt").write_text("not a picture, and not named like one")
    return folder


@pytest.fixture
def run(capsys):
    """Run the command line in this process; return its status, output and messages."""

    def call(*arguments: object):
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def test_folder_as_table(run, album):
    status, output, messages = run(album)
    lines = output.splitlines()
    assert status == 1
    assert all(label in lines[0] for label in LABELS)
    assert [line.split()[-1] for line in lines[1:]].count("found") == 1
    assert len(lines) == 1 + 4
    assert "%" in next(line for line in lines if "b portrait.jpg" in line)
    assert "skipped: " in messages
    assert "d broken.jpg is not a picture" in messages
    assert "4 pictures, 2 faces, 1 skipped" in messages


def test_json_has_one_entry_per_picture_in_order(run, album):
    status, output, _ = run(album, "--json")
    entries = json.loads(output)
    assert status == 1
    assert [Path(entry["file"]).name for entry in entries] == [
        "b portrait.jpg",
        "c empty.webp",
        "d broken.jpg",
        "grey.PNG",
    ]
    portrait, empty, broken, grey = entries
    assert portrait["size"] == [512, 600]
    assert portrait["model"]
    assert portrait["revision"] is None
    for entry in (portrait, grey):
        [face] = entry["faces"]
        x, y, width, height = face["box"]
        assert x < 265 < x + width
        assert y < 210 < y + height
        assert set(face["probabilities"]) == LABELS
        assert sum(face["probabilities"].values()) == pytest.approx(1, abs=0.001)
        assert face["label"] in LABELS or face["reason"]
    assert empty["faces"] == []
    assert "not a picture" in broken["error"]
    assert "faces" not in broken


def test_json_of_nothing_readable_is_still_json(run, album):
    status, output, _ = run(album / "d broken.jpg", "--json")
    assert status == 1
    assert [list(entry) for entry in json.loads(output)] == [["file", "error"]]


def test_csv_has_one_row_per_face_and_per_picture_without(run, album, tmp_path):
    table = tmp_path / "new folder" / "faces.csv"
    status, output, _ = run(album, "--csv", table)
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert status == 1
    assert output == ""
    assert [Path(row["file"]).name for row in rows] == [
        "b portrait.jpg",
        "c empty.webp",
        "d broken.jpg",
        "grey.PNG",
    ]
    assert [row["face"] for row in rows] == ["1", "0", "0", "1"]
    assert sum(float(rows[0][label]) for label in LABELS) == pytest.approx(1, abs=0.001)
    assert int(rows[0]["width"]) > 100
    assert rows[1]["error"] == ""
    assert "not a picture" in rows[2]["error"]


def test_annotated_pictures_keep_their_places(run, album, tmp_path):
    status, _, _ = run(album, "--annotate", tmp_path)
    saved = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.jpg"))
    assert status == 1
    assert saved == ["2024/summer/grey.PNG.jpg", "b portrait.jpg", "c empty.webp.jpg"]
    with Image.open(tmp_path / "b portrait.jpg") as annotated, Image.open(PORTRAIT) as original:
        assert annotated.width == original.width
        assert annotated.height > original.height
        above = np.asarray(annotated)[: original.height].astype(int)
        assert (np.abs(above - np.asarray(original)).max(axis=2) > 60).sum() > 200  # the box


def test_a_huge_picture_is_annotated_reduced_and_answered_in_its_own_pixels(run, tmp_path):
    with Image.open(PORTRAIT) as portrait:
        # Above 25 megapixels.
        huge = portrait.resize((5120, 6000), Image.Resampling.NEAREST)
        huge.save(tmp_path / "huge.jpg", quality=60)
    status, output, _ = run(tmp_path / "huge.jpg", "--json", "--annotate", tmp_path / "out")
    [entry] = json.loads(output)
    [face] = entry["faces"]
    x, y, width, height = face["box"]

    assert status == 0
    assert entry["size"] == [5120, 6000]
    assert 1500 < x + width / 2 < 3000
    edge = (x // 2 - 12, (y + height // 2) // 2, x // 2 + 12, (y + height // 2) // 2 + 1)
    with Image.open(tmp_path / "out" / "huge.jpg") as annotated:
        assert annotated.width == 2560
        pixels = np.asarray(annotated.crop(edge)).astype(int)
    with Image.open(tmp_path / "huge.jpg") as original:
        original.draft("RGB", (2560, 3000))
        before = np.asarray(original.crop(edge)).astype(int)
    assert (np.abs(pixels - before).max(axis=2) > 100).any(), "the left edge of the box"


def test_annotated_pictures_are_not_classified_again(run, album, tmp_path):
    folder = tmp_path / "album"
    shutil.copytree(album, folder)
    for _ in range(2):
        _, _, messages = run(folder, "--annotate", folder / "annotated")
        assert "4 pictures" in messages


def test_files_of_one_name_from_two_folders_are_all_annotated(run, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shutil.copy(PORTRAIT, tmp_path / name / "me.jpg")
    status, _, _ = run(tmp_path / "one/me.jpg", tmp_path / "two/me.jpg", "--annotate", tmp_path / "out")
    assert status == 0
    assert (tmp_path / "out/one/me.jpg").is_file()
    assert (tmp_path / "out/two/me.jpg").is_file()


def test_many_pictures_come_in_order_from_several_threads(run, tmp_path):
    for number in range(20):
        Image.new("RGB", (64 + number, 48), (number, 90, 120)).save(tmp_path / f"{number:02}.png")
    status, output, _ = run(tmp_path, "--json", "--workers", 4)
    assert status == 0
    assert [entry["size"][0] for entry in json.loads(output)] == list(range(64, 84))


def test_limit_of_faces(run, tmp_path):
    portrait = Image.open(PORTRAIT)
    pair = Image.new("RGB", (1024, 600))
    pair.paste(portrait, (0, 0))
    pair.paste(portrait, (512, 0))
    pair.save(tmp_path / "pair.png")
    assert len(json.loads(run(tmp_path, "--json")[1])[0]["faces"]) == 2
    assert len(json.loads(run(tmp_path, "--json", "--limit", 1)[1])[0]["faces"]) == 1


def test_tight_crop_is_said_to_be_taken_whole(run, tmp_path):
    Image.open(PORTRAIT).crop((160, 105, 370, 315)).resize((48, 48)).save(tmp_path / "crop.png")
    _, output, _ = run(tmp_path)
    assert "whole picture" in output.splitlines()[1]


def test_missing_file_is_skipped(run, album):
    status, output, messages = run(album / "absent.jpg", album / "b portrait.jpg")
    assert status == 1
    assert "no file" in messages
    assert "b portrait.jpg" in output


def test_folder_without_pictures(run, tmp_path):
    status, output, messages = run(tmp_path)
    assert (status, output) == (2, "")
    assert messages.startswith("error: No pictures found in")


@pytest.mark.slow
def test_bad_model_is_explained_without_a_traceback(album):
    process = subprocess.run(
        [sys.executable, "-m", "emotion", str(album), "--model", "no/such/folder"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 2
    assert process.stderr.startswith("error: ")
    assert "Traceback" not in process.stderr


def test_unwritable_csv_is_explained(run, album):
    status, _, messages = run(album, "--csv", album / "b portrait.jpg" / "faces.csv")
    assert status == 2
    assert messages.startswith("error: ")


@pytest.mark.parametrize(
    "arguments", [[], ["a.jpg", "--json", "--csv", "b.csv"], ["a.jpg", "--workers", "0"]]
)
def test_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: python -m emotion" in capsys.readouterr().err


@pytest.mark.slow
def test_reader_that_stops_early_is_no_error(album):
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [sys.executable, "-m", "emotion", str(album / "b portrait.jpg")],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    os.close(write)
    assert "Traceback" not in process.stderr


def test_files_are_found_lazily_and_in_order(tmp_path):
    for name in ("b.jpg", "a.PNG", "c.txt", "sub/d.heic"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files = picture_files([tmp_path, Path("named.txt")], leave_out=None)
    assert iter(files) is files
    assert [path.name for path in files] == ["a.PNG", "b.jpg", "d.heic", "named.txt"]
