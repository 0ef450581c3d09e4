"""`app.py` and the command `facial-emotion-app`: load the model and serve the page until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from emotion import __version__
from emotion.program import APP_COMMAND, INSTALL_APP

DESCRIPTION = """Tell how angry, happy or sad faces look, in a browser.

EMOTION_MODEL=owner/name[@revision] or a folder picks the model, GRADIO_SERVER_PORT the port.
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
        from emotion.model.logs import log_to_terminal
        from emotion.web.page import build_app, launch
        from emotion.web.session import Session
    except ImportError as error:
        print(f"error: {error}. The app needs it; type: {INSTALL_APP}", file=sys.stderr)
        return 2
    log_to_terminal("%(levelname)s %(name)s: %(message)s")
    session = Session.start(os.environ.get("EMOTION_MODEL"), examples=_examples())
    launch(build_app(session), session)
    return 0


def _examples() -> Path:
    """Return the folder of example pictures: a clone's own, or the copy that the package carries."""
    clone, package = Path(__file__).parents[2] / "examples", Path(__file__).parent / "examples"
    return clone if clone.is_dir() else package
