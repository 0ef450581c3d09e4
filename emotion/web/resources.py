"""The processors and the memory that this process may really use: a container has less than its machine."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from emotion.untrusted.process import memory_trimmer

# glibc's numbers for the settings.
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
# Bytes: what is larger, pixels above all, goes back to the system when it is freed.
LARGE = 1_000_000
# Seconds.
RETURNED_EVERY = 5.0
CGROUPS = Path("/sys/fs/cgroup")


def usable_processors(cgroups: Path = CGROUPS) -> int:
    """Return the number of processors, at least 1, by what the system and the container's quota allow.

    Parameters
    ----------
    cgroups : path
        Where Linux tells the quota, of either version.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroups)
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def usable_memory(cgroups: Path = CGROUPS) -> float:
    """Return the bytes of memory that the machine has or the container is limited to; infinite if unknown.

    Parameters
    ----------
    cgroups : path
        Where Linux tells the limit, of either version.
    """
    known = [math.inf]
    with contextlib.suppress(AttributeError, ValueError, OSError):
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        # "max" is no number: no limit.
        with contextlib.suppress(OSError, ValueError):
            known.append(int((cgroups / name).read_text()))
    return min(known)


def share_memory() -> None:
    """Let all threads allocate from two heaps, without pictures: glibc gives each its own, for everything."""
    if sys.platform == "linux":
        # musl lacks the call.
        with contextlib.suppress(AttributeError):
            system = ctypes.CDLL(None)
            system.mallopt(M_ARENA_MAX, 2)
            system.mallopt(M_MMAP_THRESHOLD, LARGE)


def return_memory(every: float = RETURNED_EVERY) -> None:
    """Give back what was freed, from now on and every so many seconds: glibc keeps it for later.

    Without it, the app that nobody has asked yet holds 193 MB instead of 164 (`benchmarks.load --only
    memory`).
    """
    trim = memory_trimmer()
    repeat("return-memory", every, lambda: trim(0))


def repeat(name: str, every: float, work: Callable[[], object]) -> None:
    """Do something every so many seconds, in a thread of that name, until the program ends."""

    def keep_doing() -> None:
        while True:
            time.sleep(every)
            work()

    threading.Thread(target=keep_doing, name=name, daemon=True).start()


def _quota(cgroups: Path) -> float | None:
    """Return the seconds of processor time that the container gets a second; None where it is not limited."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = (cgroups / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    with contextlib.suppress(OSError, ValueError):
        quota = int((cgroups / "cpu" / "cpu.cfs_quota_us").read_text())
        period = int((cgroups / "cpu" / "cpu.cfs_period_us").read_text())
        return None if quota <= 0 else quota / period
    return None
