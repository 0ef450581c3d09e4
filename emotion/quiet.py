"""Keeps what libraries say of themselves, and no setting turns off, out of the terminal."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

# Who says too much, and from which level on it is shown: one line per request, with signed addresses in it;
# one per session; one per folder written on the way, and advice to authors of training loops; twice over,
# that there was nothing to commit. What goes wrong they raise.
TALKATIVE = {
    "httpx": logging.WARNING,
    "httpx2": logging.WARNING,
    "mcp": logging.WARNING,
    "tensorflow": logging.ERROR,
    "absl": logging.ERROR,
    "huggingface_hub.hf_api": logging.ERROR,
}


@contextlib.contextmanager
def silent_stderr() -> Iterator[None]:
    """Let nothing reach the standard error stream meanwhile, not even from libraries in C++."""
    if sys.stderr:
        sys.stderr.flush()
    try:
        terminal = os.dup(2)
    except OSError:  # a program without a terminal has nothing to keep clean
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)


def log_to_terminal(style: str = "%(message)s") -> None:
    """Show the messages of this package and of others, but not every step of theirs."""
    logging.basicConfig(level=logging.INFO, format=style)
    for library, level in TALKATIVE.items():
        logging.getLogger(library).setLevel(level)
