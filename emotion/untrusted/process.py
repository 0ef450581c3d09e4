"""One process for untrusted input: its limits, its messages, the calling side, and the child's entry point.

It knows nothing of pictures, clips or networks: those are in the modules whose `Work` it runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import math
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from emotion.errors import EmotionError

try:
    import resource
except ImportError:
    resource = None

LENGTH = struct.Struct("<I")
LONGEST_HEADER, LONGEST_ARRAYS = 2**20, 2**30  # bytes
ARRAY_TYPES = ("|u1", "<f4")
STARTS_WITHIN = 60.0  # seconds
NOBODY = 65534  # the Unix user who owns nothing

Header = dict[str, Any]
Message = tuple[Header, list[np.ndarray]]


class Work(Protocol):
    """What a module runs in the process; its constructor imports all, because no file can be opened later."""

    def answer(self, header: Header, arrays: list[np.ndarray]) -> Message:
        """Answer a message; an `EmotionError` or `MemoryError` is reported, other errors end the process."""
        ...


@dataclass(frozen=True)
class Limits:
    """What a process may use.

    `memory` is in bytes beyond what it has once its work is prepared. `seconds` of processor time are for one
    answer, so a busy machine does not end it; on the clock it may take ten times as long. An `online` process
    keeps the environment, files, connections and the user's rights, and only the clock is limited.
    `largest_file` is in bytes.
    """

    memory: int
    seconds: float
    online: bool = False
    largest_file: int = 0


class LimitedProcess:
    """Runs the `Work` of a module in a limited process. Safe to share by threads, which take turns.

    `error` is raised if the work reports an error, or, with the message `stopped`, if the process ends or
    exceeds a limit. `first` returns the first message to every new process, such as the content of a model.
    """

    def __init__(
        self,
        module: str,
        limits: Limits,
        *,
        error: type[EmotionError],
        stopped: str,
        first: Callable[[], Message] | None = None,
    ) -> None:
        self._module, self._limits, self._first = module, limits, first
        self._error, self._stopped = error, stopped
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closer: Callable[[], object] | None = None

    def start(self) -> Message:
        """Start the process anew and return its answer to the first message; errors as for `ask`."""
        self.close()
        with self._lock:
            return self._start()

    def ask(self, header: Header, *arrays: np.ndarray) -> Message:
        """Return the answer to a message; raises `error`.

        Its cause is a `TimeoutError` if the answer took too long on the clock.
        """
        with self._lock:
            if self._process is None:
                self._start()
            return self._exchange((header, list(arrays)))

    def close(self) -> None:
        """End the process; the next message starts a new one."""
        if self._closer is not None:
            self._closer()
        self._process = self._closer = None

    def _start(self) -> Message:
        first = self._first() if self._first is not None else None
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", __name__, self._module, json.dumps(asdict(self._limits))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(self._limits),
        )
        self._closer = weakref.finalize(self, _end, process)
        try:
            ready = self._exchange(None)
            return ready if first is None else self._exchange(first, STARTS_WITHIN)
        except self._error:
            self.close()
            raise

    def _exchange(self, message: Message | None, least: float = 0.0) -> Message:
        seconds = self._limits.seconds * (1 if self._limits.online else 10)
        seconds = STARTS_WITHIN if message is None else max(least, seconds)
        process, deadline = self._process, time.monotonic() + seconds
        if process is None or process.stdin is None or process.stdout is None:
            raise self._error(self._stopped)
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            if message is not None:
                send(process.stdin, message)
            header, arrays = receive(process.stdout)
        except (OSError, EOFError, ValueError) as error:
            self.close()
            cause = TimeoutError() if time.monotonic() >= deadline else error
            raise self._error(self._stopped) from cause
        finally:
            timer.cancel()
        if "error" in header:
            raise self._error(str(header["error"]) or self._stopped)
        return header, arrays


def _environment(limits: Limits) -> dict[str, str]:
    path = {"PYTHONPATH": str(Path(__file__).parents[2])}
    if limits.online:
        return os.environ | path
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT") if name in os.environ}
    # glibc reserves 64 MB of address space, which is what is limited, for every thread that allocates:
    # decoders with threads ran out of it at random.
    return kept | path | {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for stream in filter(None, (process.stdin, process.stdout)):
        with contextlib.suppress(OSError):
            stream.close()
    process.wait()


def send(stream: IO[bytes], message: Message) -> None:
    """Write a message: the length of its header, the header as JSON, the arrays, of `ARRAY_TYPES`."""
    header, arrays = message[0], [np.ascontiguousarray(array) for array in message[1]]
    shapes = [[array.dtype.str, array.shape] for array in arrays]
    content = json.dumps({"header": header, "arrays": shapes}).encode()
    stream.write(LENGTH.pack(len(content)) + content)
    for array in arrays:
        stream.write(array.tobytes() if array.size == 0 else array.data)
    stream.flush()


def receive(stream: IO[bytes]) -> Message:
    """Read a message; EOFError or ValueError if it breaks off, is too large or malformed."""
    (length,) = LENGTH.unpack(_read(stream, LENGTH.size))
    if length > LONGEST_HEADER:
        raise ValueError(f"the header has {length} bytes")
    try:
        message = json.loads(_read(stream, length))
        header = dict(message["header"])
        shapes = [(str(kind), tuple(map(int, shape))) for kind, shape in message["arrays"]]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError("this is not a message") from error
    if any(kind not in ARRAY_TYPES or min(shape, default=0) < 0 for kind, shape in shapes):
        raise ValueError("an array is of another type")
    sizes = [np.dtype(kind).itemsize * math.prod(shape) for kind, shape in shapes]
    if sum(sizes) > LONGEST_ARRAYS:
        raise ValueError(f"the arrays have {sum(sizes)} bytes")
    described = zip(shapes, sizes, strict=True)
    return header, [
        np.frombuffer(_read(stream, size), kind).reshape(shape) for (kind, shape), size in described
    ]


def _read(stream: IO[bytes], length: int) -> bytes:
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    return content


def one_picture(arrays: list[np.ndarray]) -> np.ndarray:
    """Return the only array, uint8 (height, width, 3); ValueError if there is another one."""
    if len(arrays) != 1 or arrays[0].dtype != np.uint8 or arrays[0].shape[2:] != (3,) or not arrays[0].size:
        raise ValueError("this is not a picture")
    return arrays[0]


def main(module: str, limits_as_json: str) -> None:
    """Child entry point: prepare, drop privileges, serve until stdin closes."""
    limits = Limits(**json.loads(limits_as_json))
    # Keep the libraries' output out of the answers.
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    work: Work = importlib.import_module(module).Work()
    # A large picture leaves behind a heap of twice its size.
    trim = memory_trimmer()
    limit(limits)
    no_arrays: list[np.ndarray] = []
    send(answers, ({}, no_arrays))
    while True:
        try:
            header, arrays = receive(questions)
        except EOFError:
            return
        _limit_processor(0 if limits.online else limits.seconds)
        try:
            answer = work.answer(header, arrays)
        except EmotionError as error:
            answer = ({"error": str(error)}, no_arrays)
        except MemoryError:
            answer = ({"error": ""}, no_arrays)
        _limit_processor(0)
        send(answers, answer)
        del header, arrays, answer
        trim(0)


def memory_trimmer() -> Callable[[int], object]:
    """Return glibc's function that gives freed memory back; elsewhere, one that does nothing."""
    return getattr(ctypes.CDLL(None), "malloc_trim", int) if sys.platform == "linux" else int


def limit(limits: Limits) -> None:
    """Limit this process for good."""
    if resource is None:
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    memory = pages * resource.getpagesize() + limits.memory
    for name, value in {"CORE": 0, "FSIZE": limits.largest_file, "AS": memory}.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    if limits.online:
        return
    if hasattr(os, "setuid") and os.getuid() == 0:
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
    # Last: open files stay usable, and no others can be opened from here on.
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def _limit_processor(seconds: float) -> None:
    """Kill this process after `seconds` more of processor time, uncatchably; 0 for no limit."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
