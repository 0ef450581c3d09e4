"""A process of its own for what strangers send: it may crash, hang or ask for gigabytes, and only it ends.

What runs inside is a module with `prepare()` and `answer(question)`; this file knows nothing of pictures or
networks. POSIX only for the limits on memory, time and files: elsewhere the process is apart, and no more.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import signal
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

try:
    import resource
except ImportError:
    resource = None

LENGTH = struct.Struct("<Q")
# Bytes: a longer answer is a broken one.
LONGEST_ANSWER = 2**30
STARTS_WITHIN = 60.0
# Who owns nothing on a Unix system, where the program runs as root.
NOBODY = 65534


class SandboxError(Exception):
    """The process ended or took too long; the next question starts a new one."""


class Sandbox:
    """Asks a module in a limited process. Safe to share by threads, which take turns.

    Parameters
    ----------
    module : str
        Defines `prepare()`, called once before the limits hold, to import what
        `answer(question: bytes) -> bytes` needs: once limited, the process opens no file.
    first : callable, optional
        Returns the first question to every new process, such as the content of a model; see `first_answer`.
    memory : int
        Bytes that it may take beyond what it had when it was prepared.
    seconds : float
        Processor time for one answer; waiting on the clock ends after ten times as long.
    """

    def __init__(
        self, module: str, *, first: Callable[[], bytes] | None = None, memory: int, seconds: float
    ) -> None:
        self._module, self._first = module, first
        self._memory, self._seconds = memory, seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closer: Callable[[], object] | None = None
        self._first_answer = b""

    def ask(self, question: bytes) -> bytes:
        """Return the module's answer.

        Raises
        ------
        SandboxError
            If the process crashed, ran into one of its limits or could not be started.
        """
        with self._lock:
            process = self._process or self._start()
            return self._exchange(process, question, 10 * self._seconds)

    def first_answer(self) -> bytes:
        """Return what the running process answered to the first question; start one if none runs.

        Raises
        ------
        SandboxError
            As for `ask`.
        """
        with self._lock:
            if self._process is None:
                self._start()
            return self._first_answer

    def close(self) -> None:
        """End the process; a later question starts a new one."""
        if self._closer is not None:
            self._closer()
        self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        limits = f"{self._memory},{self._seconds}"
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, self._module, limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # No token, no address of a proxy, no home: only what Python itself needs.
            env={
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "OPENBLAS_NUM_THREADS": "1",
                # glibc reserves 64 MB of address space, which is what is limited, for every thread that
                # allocates: decoders with threads ran out of it at random.
                "MALLOC_ARENA_MAX": "1",
                **{name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT") if name in os.environ},
            },
        )
        self._process, self._closer = process, weakref.finalize(self, _end, process)
        self._exchange(process, None, STARTS_WITHIN)
        if self._first is not None:
            self._first_answer = self._exchange(process, self._first(), STARTS_WITHIN)
        return process

    def _exchange(self, process: subprocess.Popen[bytes], message: bytes | None, seconds: float) -> bytes:
        questions, answers = _pipes(process)
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            if message is not None:
                _send(questions, message)
            return _receive(answers)
        except (OSError, EOFError, ValueError) as error:
            self.close()
            raise SandboxError("it ended or took too long") from error
        finally:
            timer.cancel()


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    """Return the pipes for questions and answers."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("The process was started without pipes.")
    return process.stdin, process.stdout


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for stream in _pipes(process):
        with contextlib.suppress(OSError):
            stream.close()
    process.wait()


def _send(stream: IO[bytes], message: bytes) -> None:
    stream.write(LENGTH.pack(len(message)))
    stream.write(message)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes:
    (length,) = LENGTH.unpack(_read(stream, LENGTH.size))
    if length > LONGEST_ANSWER:
        raise ValueError(f"a message of {length} bytes")
    return _read(stream, length)


def _read(stream: IO[bytes], length: int) -> bytes:
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    return content


def main(module_name: str, limits: str) -> None:
    """Be the process: prepare, give up all rights, answer until nobody asks any more."""
    memory, seconds = limits.split(",")
    module = importlib.import_module(module_name)
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    module.prepare()
    # A large picture leaves a heap of twice its size behind.
    trim = memory_trimmer()
    limit(int(memory))
    _send(answers, b"")
    while True:
        try:
            question = _receive(questions)
        except EOFError:
            return
        # The processor's clock, so that a busy machine ends nobody's work. It kills: nothing can catch that.
        with _processor_seconds(float(seconds)):
            answer = module.answer(question)
        _send(answers, answer)
        del question, answer
        trim(0)


def memory_trimmer() -> Callable[[int], object]:
    """Return glibc's function that gives freed memory back; elsewhere, one that does nothing."""
    return getattr(ctypes.CDLL(None), "malloc_trim", int) if sys.platform == "linux" else int


def limit(memory: int) -> None:
    """Let this process take so many more bytes, open no file or connection, and keep no rights of a user."""
    if resource is None:
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    ceiling = pages * resource.getpagesize() + memory
    limits = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": 0, "RLIMIT_AS": ceiling}
    for name, value in limits.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (value, value))
    if hasattr(os, "setuid") and os.getuid() == 0:
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
    # Last: what is open stays usable, and nothing else can be opened from here on.
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


@contextlib.contextmanager
def _processor_seconds(seconds: float) -> Iterator[None]:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
