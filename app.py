"""Tell how angry, happy or sad faces look, in a browser: the entry point of a Space.

    python app.py

EMOTION_MODEL=owner/name[@revision] or a folder picks the model, GRADIO_SERVER_PORT the port.
"""

import os
from pathlib import Path

from emotion.web import Session, build_app, launch, log_to_terminal

EXAMPLES = Path(__file__).parent / "examples"


def main() -> None:
    """Load the model and serve the page until Ctrl-C."""
    log_to_terminal("%(levelname)s %(name)s: %(message)s")
    session = Session.start(os.environ.get("EMOTION_MODEL"), examples=EXAMPLES)
    launch(build_app(session), session)


if __name__ == "__main__":
    main()
