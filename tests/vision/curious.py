"""What the tests of the sandbox run inside it: it tries what it must not be able to do."""

import os
import socket
import threading

THREADS = 4


def prepare() -> None:
    """Nothing is needed."""


def answer(question: bytes) -> bytes:
    if question == b"who are you?":
        return str(os.getuid()).encode()
    if question == b"allocate in threads, then 100 MB":
        return _allocated()
    found = ["token"] if "HF_TOKEN" in os.environ else []
    for name, attempt in {
        "file": lambda: os.open("/etc/hostname", os.O_RDONLY),
        "connection": socket.socket,
        "memory": lambda: bytearray(300_000_000),
    }.items():
        try:
            attempt()
            found.append(name)
        except (OSError, MemoryError):
            found.append(f"no {name}")
    return ", ".join(found).encode()


def _allocated() -> bytes:
    together = threading.Barrier(THREADS)

    def allocate() -> None:
        together.wait()
        content = bytearray(10_000)
        together.wait()
        del content

    threads = [threading.Thread(target=allocate) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        bytearray(100_000_000)
    except MemoryError:
        return b"no memory"
    return b"allocated"
