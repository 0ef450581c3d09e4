"""`app.py` and the command `facial-emotion-app`: load the model and serve the page until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from emotion import __version__
from emotion.errors import EmotionError
from emotion.program import APP_COMMAND, INSTALL_APP
from emotion.web.inside.start import use_private_folder, without_type_stubs
from emotion.web.process import end_on_signals, usable_processors

DESCRIPTION = """Tell how angry, happy or sad faces look, in a browser.

EMOTION_MODEL=owner/name[@revision] or a folder picks the model, GRADIO_SERVER_PORT the port.
EMOTION_REFRESH_MINUTES=10 checks for new commits of the model and switches to them while the app runs.
EMOTION_LIVE=server keeps Live on the server; else visitors' browsers load the model and run it themselves.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the app; return the exit status."""
    parser = argparse.ArgumentParser(
        prog=APP_COMMAND.split()[-1],
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.parse_args(arguments)
    try:
        end_on_signals(use_private_folder())
    except EmotionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    # NumPy counts the machine's processors, even inside a container with fewer.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(usable_processors()))
    try:
        with without_type_stubs():
            from emotion.program import log_to_terminal
            from emotion.web.page import build_app, launch
            from emotion.web.service import Service
    except ImportError as error:
        print(f"error: {error}. The app needs it; type: {INSTALL_APP}", file=sys.stderr)
        return 2
    log_to_terminal("%(levelname)s %(name)s: %(message)s")
    try:
        service = Service.start(os.environ, examples=_examples())
    except EmotionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    launch(build_app(service), service)
    return 0


def _examples() -> Path:
    """Return the folder of example pictures: the installed package's copy, or the clone's own."""
    package, clone = Path(__file__).parent / "examples", Path(__file__).parents[2] / "examples"
    return package if package.is_dir() else clone


if __name__ == "__main__":
    sys.exit(main())
