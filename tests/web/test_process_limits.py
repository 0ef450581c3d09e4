"""The processors and the memory that a container may use, and what the app does with them."""

import math
import os

import pytest

from emotion.web.process import usable_memory, usable_processors
from emotion.web.service import Limits

pytestmark = pytest.mark.slow

ALLOWED = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ALLOWED),
        ({"cpu.max": "max 100000\n"}, ALLOWED),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "120000 100000\n"}, min(2, ALLOWED)),
        ({"cpu.max": "nonsense"}, ALLOWED),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, ALLOWED),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
    ],
)
def test_the_quota_of_the_container_counts(tmp_path, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_processors(tmp_path) == expected


@pytest.mark.parametrize(
    ("name", "text", "limited"),
    [
        ("memory.max", "268435456\n", True),
        ("memory.max", "max\n", False),
        ("memory/memory.limit_in_bytes", "268435456\n", True),
        # What the first version of cgroups says where there is no limit.
        ("memory/memory.limit_in_bytes", "9223372036854771712\n", False),
        ("other", "", False),
    ],
)
def test_the_memory_of_the_container_counts(tmp_path, name, text, limited):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    assert usable_memory(tmp_path) == (2**28 if limited else usable_memory(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("gigabytes", "processors", "models", "decoders"),
    [
        (0.25, 1, 1, 1),
        (1, 1, 1, 1),
        (2, 2, 1, 1),
        (3.7, 2, 1, 1),
        (4.3, 2, 2, 2),
        (8, 8, 4, 4),
        (16, 2, 4, 2),
        (math.inf, 64, 4, 64),
    ],
)
def test_little_memory_means_few_processes(gigabytes, processors, models, decoders):
    limits = Limits.within(gigabytes * 1e9, processors)
    assert (limits.visitor_models, limits.decoders) == (models, decoders)
