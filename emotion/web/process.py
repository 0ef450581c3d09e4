"""The app's process: how it ends, and the processors and memory that it may use."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

# Ctrl-C, what stops a service or a container, and a terminal that is closed.
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
# Seconds that threads get to stop writing; their answers are no longer needed.
SETTLES_WITHIN = 2.0
# glibc's numbers for the settings.
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
# Bytes: what is larger, pixels above all, goes back to the system when it is freed.
LARGE = 1_000_000
# Seconds.
RETURNED_EVERY = 5.0
# Where Linux tells a container's limits, of either version.
CGROUPS = Path("/sys/fs/cgroup")


def end_on_signals(folder: Path) -> None:
    """On Ctrl-C and SIGTERM, kill the child processes, delete the folder and exit with status 0.

    Without a handler, SIGTERM ends Python without running `atexit`, and the first process of a container
    ignores it.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        deadline = time.monotonic() + SETTLES_WITHIN
        # Threads of requests may start a child or write a file meanwhile.
        while (end_children() | delete(folder)) and time.monotonic() < deadline:
            time.sleep(0.02)
        remover = shutil.which("rm") if os.name == "posix" else None
        if remover:
            # Replacing this process ends its threads at once: none can write a file afterwards.
            with contextlib.suppress(OSError):
                os.execv(remover, ["rm", "-rf", str(folder)])
        # sys.exit would wait for the threads of requests.
        os._exit(0)

    for name in SIGNALS:
        number = getattr(signal, name, None)
        # `nohup`, or `&` in a script, starts programs with some signals ignored on purpose.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)


def end_children() -> bool:
    """Kill the child processes; return whether there were any. Elsewhere than on Linux, do nothing."""
    children = _children()
    for child in children:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(child, signal.SIGKILL)
    return bool(children)


def delete(folder: Path) -> bool:
    """Delete a folder with all that is in it; return whether there was one."""
    if not folder.exists():
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True


def _children() -> list[int]:
    """Return the ids of the running child processes; none where /proc does not tell this process's own."""
    # A `/proc` from outside of this container would list strangers under these numbers.
    if not Path("/proc/self").exists() or os.readlink("/proc/self") != str(os.getpid()):
        return []
    found = []
    for name in os.listdir("/proc"):
        # Processes end meanwhile.
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The name of the program, in parentheses, may hold spaces and parentheses itself.
            state, parent = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and state != "Z":
                found.append(int(name))
    return found


def usable_processors(cgroups: Path = CGROUPS) -> int:
    """Return the number of processors, at least 1, that the system and the container's quota allow."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroups)
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def usable_memory(cgroups: Path = CGROUPS) -> float:
    """Return the bytes of memory of the machine or, if less, of the container; infinite if unknown."""
    known = [math.inf]
    with contextlib.suppress(AttributeError, ValueError, OSError):
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        # "max", which is not a number, means no limit.
        with contextlib.suppress(OSError, ValueError):
            known.append(int((cgroups / name).read_text()))
    return min(known)


def share_memory() -> None:
    """Let all threads share two heaps, and map pictures apart: glibc makes a heap for each thread."""
    if sys.platform == "linux":
        # musl lacks the call.
        with contextlib.suppress(AttributeError):
            system = ctypes.CDLL(None)
            system.mallopt(M_ARENA_MAX, 2)
            system.mallopt(M_MMAP_THRESHOLD, LARGE)


def return_memory(every: float = RETURNED_EVERY) -> None:
    """Return freed memory to the system every few seconds; glibc would keep it.

    Without it, an idle app holds 193 MB instead of 164 (`benchmarks.load --only memory`).
    """
    # It needs NumPy, which may be missing when this file is imported.
    from emotion.untrusted.process import memory_trimmer

    trim = memory_trimmer()
    repeat("return-memory", every, lambda: trim(0))


def repeat(name: str, every: float, work: Callable[[], object]) -> None:
    """Call `work` every `every` seconds, in a thread called `name`, until the program ends."""

    def keep_doing() -> None:
        while True:
            time.sleep(every)
            work()

    threading.Thread(target=keep_doing, name=name, daemon=True).start()


def _quota(cgroups: Path) -> float | None:
    """Return the container's processor time per second, in seconds; None without a limit."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = (cgroups / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    with contextlib.suppress(OSError, ValueError):
        quota = int((cgroups / "cpu" / "cpu.cfs_quota_us").read_text())
        period = int((cgroups / "cpu" / "cpu.cfs_period_us").read_text())
        return None if quota <= 0 else quota / period
    return None
