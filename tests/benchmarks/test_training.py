"""The rate of training, and how long the network waits for pictures, are measured on drawn faces."""

import json
import sys

import pytest

from benchmarks.training import main

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_both_ways_are_timed_on_the_same_faces(capsys, monkeypatch):
    typed = ["--pictures", "32", "--batch-size", "16", "--rounds", "1", "--json"]
    monkeypatch.setattr(sys, "argv", ["benchmarks.training", *typed])
    assert main() == 0
    rates = [row for row in json.loads(capsys.readouterr().out) if row["unit"] == "pictures per second"]
    assert len(rates) == 2
    assert all(row["ours"] > 0 and row["peer"] > 0 for row in rates)
