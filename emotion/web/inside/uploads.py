"""Uploaded files: each has a name of its own, and goes when the request that needed it ends."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO

import gradio as gr
from gradio import mcp, route_utils
from gradio.utils import get_upload_folder
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotion.web.inside.requests import path_of, refusal, too_large
from emotion.web.process import repeat

# Seconds: how old uploads are that are deleted because nobody asked about them, and how often they are looked
# for.
SWEPT_AFTER, SWEPT_EVERY = 600, 60
# Seconds without a byte after which an upload is taken for broken off.
SILENCE = 60

# Where Gradio writes the files of the upload that is arriving, before they have their names.
_parts: ContextVar[list[str] | None] = ContextVar("parts", default=None)


class OwnUpload(route_utils.GradioUploadFile):
    """A file that is arriving, and will get a name of its own.

    Gradio 6.31 names uploads after their content alone: two visitors who send the same picture would share a
    file, which goes with the first answer.
    """

    def __init__(self, file: BinaryIO, **more: Any) -> None:
        super().__init__(file, **more)
        self.sha.update(secrets.token_bytes(16))
        parts = _parts.get()
        if parts is not None:
            parts.append(file.name)


class PassUploads:
    """Passes uploads on, within a limit, and deletes what Gradio leaves of those that break off.

    Gradio 6.31 deletes it after some errors only.

    Parameters
    ----------
    most : int
        Bytes of all files of one upload; Gradio itself limits each file.
    """

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self.app = app
        self.most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or not path_of(scope).endswith("/upload"):
            await self.app(scope, receive, send)
            return
        if (refused := too_large(scope, self.most)) is not None:
            await refused(scope, receive, send)
            return
        received = 0

        async def receive_some() -> Message:
            nonlocal received
            try:
                message = await asyncio.wait_for(receive(), SILENCE)
            except TimeoutError:
                raise MultiPartException("The upload stopped. Send the file again.") from None
            received += len(message.get("body", b""))
            if received > self.most:
                # Gradio's words for status 413.
                raise MultiPartException(f"This is over the maximum allowed size of {self.most / 1e6:g} MB.")
            return message

        parts: list[str] = []
        _parts.set(parts)
        try:
            await self.app(scope, receive_some, send)
        except ClientDisconnect:
            pass
        except MultiPartException as error:
            await refusal(error.message, 413)(scope, receive, send)
        finally:
            for part in parts:
                Path(part).unlink(missing_ok=True)


class PictureTools(mcp.GradioMCPServer):
    """The MCP server, which hands on the pictures that clients send inside calls.

    Gradio 6.31 writes each to a file that nothing deletes.
    """

    def convert_strings_to_filedata(self, value: Any, filedata_positions: list[list[str | int]]) -> Any:
        """Make the arguments of a call what an event takes."""
        pictures = {
            name: {"path": None, "url": picture}
            for name, picture in value.items()
            if [name] in filedata_positions and isinstance(picture, str) and picture.startswith("data:")
        }
        others = {name: each for name, each in value.items() if name not in pictures}
        return {**super().convert_strings_to_filedata(others, filedata_positions), **pictures}


def use_own_uploads() -> None:
    """Have Gradio use these classes instead of its own."""
    route_utils.GradioUploadFile = OwnUpload
    mcp.GradioMCPServer = PictureTools


def keep_sweeping(uploads: Sequence[set[str]]) -> None:
    """Look for old uploads among those that Gradio noted, from now on and every minute.

    Gradio 6.31 does so too, but its search ends for good when an upload comes meanwhile.
    """
    repeat("sweep-uploads", SWEPT_EVERY, lambda: sweep(uploads, SWEPT_AFTER))


def sweep(uploads: Sequence[set[str]], seconds: float) -> None:
    """Delete the files older than so many seconds, and forget those that are gone."""
    for files in uploads:
        # A copy: uploads come meanwhile.
        for file in list(files):
            path = Path(file)
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime < seconds:
                    continue
                delete(path)
            files.discard(file)


def uploaded(path: str) -> Path:
    """Return the place of an upload; components ask here before anything opens a file that a request names.

    Raises
    ------
    gradio.Error
        If the path does not lead to a file that was uploaded to this app.
    """
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        place = Path(path).resolve()
        if _is_upload(place) and place.is_file():
            return place
    raise gr.Error("This file was not uploaded here. Upload it first, then send it.", print_exception=False)


@contextlib.contextmanager
def deleting(*sources: str | Path | bytes | None) -> Iterator[None]:
    """Delete the uploads among `sources` at the end of the `with` block, however it ends."""
    try:
        yield
    finally:
        for source in sources:
            if isinstance(source, (str, Path)):
                delete(source)


def delete(path: str | Path) -> None:
    """Delete an upload, with its folder; files elsewhere stay."""
    with contextlib.suppress(OSError, ValueError):
        place = Path(path).resolve()
        if _is_upload(place):
            place.unlink(missing_ok=True)
            place.parent.rmdir()


def _is_upload(path: Path) -> bool:
    return path.is_relative_to(Path(get_upload_folder()).resolve())
