"""What the tests of the sandbox run inside it: it tries what it must not be able to do."""

import os
import socket


def prepare() -> None:
    """Nothing is needed."""


def answer(question: bytes) -> bytes:
    if question == b"who are you?":
        return str(os.getuid()).encode()
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
