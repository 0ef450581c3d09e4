"""Tells whether the app that runs beside it still answers events: what a container's health check calls.

python -m emotion.web.health
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request

DEFAULT_PORT = "7860"
ANSWER_SECONDS = 5


def main() -> int:
    """Ask the app on this computer; return the exit status."""
    port = os.environ.get("GRADIO_SERVER_PORT", DEFAULT_PORT)
    # As `emotion.web.inside.requests.HEALTH`; a check every few seconds imports nothing.
    url = f"http://127.0.0.1:{port}/health"
    # The request stays on this computer, so no proxy is used.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=ANSWER_SECONDS) as response:
            return 0 if response.status == 200 else 1
    except urllib.error.HTTPError as error:
        print(f"The app has stopped answering events: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"The app does not answer at {url}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
