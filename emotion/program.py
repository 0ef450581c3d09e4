"""What this program is called, from a clone or as a package, and how it keeps the terminal clean."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "emotion-faces"
# Environment variables of the app.
MODEL_VARIABLE, REFRESH_VARIABLE = "EMOTION_MODEL", "EMOTION_REFRESH_MINUTES"
LIVE_VARIABLE = "EMOTION_LIVE"

if (Path(__file__).parents[1] / "requirements.txt").is_file():
    COMMAND = "python -m emotion"
    TRAIN_COMMAND = "python train.py"
    APP_COMMAND = "python app.py"
    INSTALL_TRAINING = "pip install -r requirements.txt"
    INSTALL_APP = "pip install -r requirements-app.txt"
    INSTALL_TRACKING = "pip install -r requirements-track.txt"
else:
    COMMAND = "facial-emotion"
    TRAIN_COMMAND = "facial-emotion-train"
    APP_COMMAND = "facial-emotion-app"
    INSTALL_TRAINING = f'pip install "{PACKAGE}[train]"'
    INSTALL_APP = f'pip install "{PACKAGE}[app]"'
    INSTALL_TRACKING = f'pip install "{PACKAGE}[track]"'
# Loggers that say too much (a line per request, with signed addresses; per session; per temporary folder),
# and the level from which on they are shown. Their failures are raised as exceptions.
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
    """Discard what is written to the standard error stream, also by libraries in C++."""
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
    """Show log messages from level INFO, and less of `TALKATIVE` libraries."""
    logging.basicConfig(level=logging.INFO, format=style)
    for library, level in TALKATIVE.items():
        logging.getLogger(library).setLevel(level)
