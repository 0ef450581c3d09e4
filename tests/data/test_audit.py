"""The audit says what there is: unreadable files, copies, clashing labels."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from emotion.data.audit import audit_findings
from emotion.data.copies import copy_groups, take_prints
from tests.data.scenes import collect, draw_scene


def test_unreadable_files_are_listed_with_a_reason(tmp_path: Path):
    examples = collect(tmp_path, [draw_scene(np.random.default_rng(seed)) for seed in range(4)])
    (tmp_path / "0001.png").write_text("This is a text file.")
    (tmp_path / "0002.png").write_bytes(b"")

    prints = take_prints(examples)
    audit = audit_findings(("happy",), examples, np.array(["all"] * 4), prints, copy_groups(examples, prints))

    assert [digest is None for digest in prints.digests] == [False, True, True, False]
    assert audit["files"] == {"all": {"happy": 2}}
    assert audit["unreadable"]["count"] == 2
    assert [entry["file"] for entry in audit["unreadable"]["files"]] == ["0001.png", "0002.png"]
    assert all(entry["reason"] for entry in audit["unreadable"]["files"])


def test_the_audit_counts_copies_within_and_across_splits_and_clashing_labels(tmp_path: Path):
    rng = np.random.default_rng(7)
    scenes = [draw_scene(rng) for _ in range(60)]
    pictures = [
        *scenes[:40],  # train
        scenes[0],  # train: equal to another training picture, other label
        scenes[1].rotate(6, Image.Resampling.BICUBIC),  # train: near copy
        *scenes[40:],  # test
        scenes[2],  # test: equal to a training picture
        scenes[3].rotate(-6, Image.Resampling.BICUBIC),  # test: near copy of a training picture
    ]
    targets = [0] * 40 + [1, 0] + [0] * 22
    examples = collect(tmp_path, pictures, targets)
    splits = np.array(["train"] * 42 + ["test"] * 22)

    prints = take_prints(examples)
    audit = audit_findings(("happy", "sad"), examples, splits, prints, copy_groups(examples, prints))

    assert audit["files"] == {"train": {"happy": 41, "sad": 1}, "test": {"happy": 22, "sad": 0}}
    assert audit["copies"] == {
        "exact": {"pictures": 2, "within": {"train": 1, "test": 0}, "across": {"train/test": 1}},
        "exact_and_near": {"pictures": 4, "within": {"train": 2, "test": 0}, "across": {"train/test": 2}},
    }
    assert audit["clashing_labels"] == {"groups": 1, "pictures": 2, "files": [["0000.png", "0040.png"]]}
    assert json.loads(json.dumps(audit)) == audit
