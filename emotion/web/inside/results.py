"""Results that are files: each has an address that only its visitor knows, and goes once it was fetched."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from pathlib import Path

from gradio.utils import get_upload_folder
from starlette.responses import FileResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from emotion.errors import EmotionError
from emotion.web.inside.requests import path_of
from emotion.web.inside.uploads import RESULT, delete, make_room

ADDRESS = re.compile(r"/result/([0-9a-f]{32})")
# In the browser: fetches the result of a component's player once, and lets its link save it.
FETCH = Path(__file__).with_name("fetch_result.js").read_text("utf-8")


def offer(pieces: Iterable[bytes], *, most: int) -> str:
    """Write a result among the uploads and return its name, for `SendOnce` and `FETCH`.

    `most` are the bytes of all files together.

    Raises
    ------
    EmotionError
        If the disk is full.
    """
    name = secrets.token_hex(16)
    path = _place(name)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.writelines(pieces)
    except BaseException as error:
        delete(path)
        if isinstance(error, OSError):
            raise EmotionError(
                f"The result could not be saved: {error.strerror}. Try again later."
            ) from error
        raise
    make_room(most)
    return name


class SendOnce:
    """Answers for what was offered, and deletes it when it was sent."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a result, or pass the request on."""
        found = ADDRESS.fullmatch(path_of(scope).removeprefix(scope.get("root_path", "")))
        if found is None or scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        path = _place(found[1])
        if not path.is_file():
            await self.app(scope, receive, send)
            return
        # Whole, whichever part is asked for.
        headers = [each for each in scope["headers"] if each[0] != b"range"]
        answer = FileResponse(path, media_type="video/mp4", headers={"Cache-Control": "no-store"})
        try:
            await answer({**scope, "headers": headers}, receive, send)
        finally:
            delete(path)


def _place(name: str) -> Path:
    return Path(get_upload_folder(), name, RESULT)
