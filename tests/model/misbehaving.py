"""What the tests of isolation run in a process of its own: it does what damaged networks do."""

import os
import sys


def prepare() -> None:
    """Nothing is needed."""


def answer(question: bytes) -> bytes:
    if question == b"crash":
        os.abort()
    if question == b"exit":
        os._exit(0)
    if question == b"babble":
        sys.stdout.buffer.write(b"\xff" * 64)
        sys.stdout.buffer.flush()
        os._exit(0)
    while question == b"hang":
        pass
    return question
