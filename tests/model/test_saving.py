"""Saving: a folder holds the old model or the new one, whatever happens, and its files belong together."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from emotion import EmotionClassifier, EmotionError, ModelLoadError
from emotion.model.loading import EMBEDDED
from emotion.model.saving import NEXT_FOLDER, hash_files
from tests.full_disk import full_disk

# Saves a model that calls its first label "zany", and dies at the N-th file that it would move.
SAVE_AND_DIE = """
import dataclasses, os, sys
from emotion import EmotionClassifier
from emotion.model import saving
classifier = EmotionClassifier.from_pretrained(sys.argv[1])
names = ("zany", *classifier.labels[1:])
classifier.description = dataclasses.replace(
    classifier.description, labels=names, outputs=(*names, *classifier.outputs[3:])
)
last = int(sys.argv[2])
replace, moved = os.replace, []
def replace_or_die(source, target):
    if len(moved) == last:
        os.kill(os.getpid(), 9)
    moved.append(target)
    replace(source, target)
os.replace = replace_or_die
classifier.save_pretrained(sys.argv[1])
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    source = tmp_path_factory.mktemp("saved")
    # No report: drawing its plots again would take most of the time.
    shutil.copytree(EMBEDDED, source / "embedded", ignore=shutil.ignore_patterns("report.json", "plots"))
    return EmotionClassifier.from_pretrained(source / "embedded").save_pretrained(source / "model")


@pytest.fixture
def folder(saved, tmp_path) -> Path:
    shutil.copytree(saved, tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.slow
def test_a_save_that_is_killed_anywhere_leaves_the_old_model_or_the_new_one(folder, tmp_path):
    seen = []
    for deaths in range(40):
        copy = tmp_path / f"copy{deaths}"
        shutil.copytree(folder, copy)
        done = subprocess.run([sys.executable, "-c", SAVE_AND_DIE, copy, str(deaths)], check=False)
        first = EmotionClassifier.from_pretrained(copy).labels[0]
        card = (copy / "README.md").read_text()
        assert ("zany" in card) == (first == "zany")
        assert not (copy / NEXT_FOLDER / "emotion.json").exists()
        seen.append(first)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
    assert seen == sorted(seen), "once it is the new one, it stays so"
    assert {"angry", "zany"} == set(seen)
    assert len(seen) > 5


def test_a_reader_beside_a_writer_gets_the_old_model_or_the_new_one(folder, tmp_path, monkeypatch):
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    (other / "model.tflite").write_bytes((folder / "model.tflite").read_bytes() + bytes(16))
    description = json.loads((other / "emotion.json").read_text())
    description["files"] = hash_files(other)
    (other / "emotion.json").write_text(json.dumps(description))
    new = EmotionClassifier.from_pretrained(other)
    halfway, go_on = threading.Event(), threading.Event()
    replace = os.replace

    def replace_and_wait(source, target):
        replace(source, target)
        if Path(target) == folder / "model.tflite":
            halfway.set()
            go_on.wait(60)

    monkeypatch.setattr(os, "replace", replace_and_wait)
    with ThreadPoolExecutor() as pool:
        writer = pool.submit(new.save_pretrained, folder)
        assert halfway.wait(60)
        reader = pool.submit(EmotionClassifier.from_pretrained, folder)
        wait([reader], timeout=0.3)
        go_on.set()
        assert reader.result().description.files == new.description.files
        assert writer.result() == folder


def test_a_full_disk_is_named_and_the_old_model_stays(folder, tmp_path):
    classifier = EmotionClassifier.from_pretrained(folder)
    before = hash_files(folder)
    for place in (folder, tmp_path / "new"):
        with (
            full_disk(),
            pytest.raises(EmotionError, match=rf"written to {place} \(File too large\); [\d,]+ MB are free"),
        ):
            classifier.save_pretrained(place)
        assert not (place / NEXT_FOLDER).exists()
    assert hash_files(folder) == before
    assert EmotionClassifier.from_pretrained(folder).labels == classifier.labels


def test_the_description_names_the_hash_of_every_file_of_the_network(folder):
    files = json.loads((folder / "emotion.json").read_text())["files"]
    assert set(files) == {"config.json", "metadata.json", "model.weights.h5", "model.tflite"}


def test_a_network_of_another_model_is_refused(folder):
    content = bytearray((folder / "model.tflite").read_bytes())
    content[-1] ^= 1
    (folder / "model.tflite").write_bytes(content)
    with pytest.raises(ModelLoadError, match=r"model\.tflite .* does not belong"):
        EmotionClassifier.from_pretrained(folder)


def test_a_model_of_before_there_were_hashes_still_loads(folder):
    description = json.loads((folder / "emotion.json").read_text())
    del description["files"]
    (folder / "emotion.json").write_text(json.dumps(description))
    assert EmotionClassifier.from_pretrained(folder).labels == ("angry", "happy", "sad")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["calibration"].update(fitted_on=float("inf")), "fitted_on"),
        (lambda d: d["calibration"].update(temperature=float("nan")), "temperature"),
        (lambda d: d["input"].update(size=48.9), "whole pixels"),
        (lambda d: d["input"].update(size=float("inf")), "whole pixels"),
        (lambda d: d.update(format=True), "format"),
        (lambda d: d["labels"].__setitem__(0, ""), "label"),
        (lambda d: d["labels"].__setitem__(0, "angry\nhappy"), "label"),
        (lambda d: (d["labels"].__setitem__(1, "angry"), d["outputs"][1].update(name="angry")), "different"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused_in_one_line(folder, change, message):
    description = json.loads((folder / "emotion.json").read_text())
    change(description)
    (folder / "emotion.json").write_text(json.dumps(description))
    with pytest.raises(ModelLoadError, match=message) as error:
        EmotionClassifier.from_pretrained(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe\0", b" " * 2**21])
def test_a_description_that_is_none_is_refused(folder, content):
    (folder / "emotion.json").write_bytes(content)
    with pytest.raises(ModelLoadError):
        EmotionClassifier.from_pretrained(folder)


def test_a_card_in_another_encoding_is_shown_as_well_as_it_can_be(folder):
    (folder / "README.md").write_bytes("Schöne Gesichter".encode("latin-1"))
    assert "ne Gesichter" in EmotionClassifier.from_pretrained(folder).card


def test_the_embedded_model_s_files_belong_together():
    assert json.loads((EMBEDDED / "emotion.json").read_text())["files"] == hash_files(EMBEDDED)
