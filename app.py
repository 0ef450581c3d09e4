"""Tell how angry, happy or sad faces look, in a browser: the entry point of a Space.

    python app.py

EMOTION_MODEL=owner/name[@revision] or a folder picks the model, GRADIO_SERVER_PORT the port.
"""

import sys

from emotion.web.command import main

if __name__ == "__main__":
    sys.exit(main())
