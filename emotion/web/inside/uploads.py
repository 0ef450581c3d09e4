"""Uploaded files: each has a name of its own, and is deleted when the request that needed it ends."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
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

# Seconds: the age at which unclaimed uploads are deleted, and how often they are looked for.
SWEPT_AFTER, SWEPT_EVERY = 600, 60
# The name of every file that is a result; see `results`.
RESULT = "result"
# Bytes: what stays free on the disk, and after how many of an upload that is looked at again.
LEAST_FREE, CHECKED_EVERY = 500_000_000, 16_000_000
# Seconds without a byte after which an upload counts as interrupted.
SILENCE = 60

# Temporary files of the arriving upload, before they get their names.
_parts: ContextVar[list[str] | None] = ContextVar("parts", default=None)


class OwnUpload(route_utils.GradioUploadFile):
    """An arriving file, which gets a unique name.

    Gradio 6.31 names uploads by their content alone: two visitors who send the same picture would share one
    file, which is deleted after the first answer. This can go when Gradio adds a salt of its own.
    """

    def __init__(self, file: BinaryIO, **more: Any) -> None:
        super().__init__(file, **more)
        self.sha.update(secrets.token_bytes(16))
        parts = _parts.get()
        if parts is not None:
            parts.append(file.name)


class PassUploads:
    """Passes on uploads of up to `most` bytes together, and deletes what Gradio leaves of interrupted ones.

    Gradio 6.31 limits each file and cleans up after some errors only. This can go when it does both.
    Together, all files of all visitors have up to `on_disk` bytes; above that, the oldest goes.
    """

    def __init__(self, app: ASGIApp, *, most: int, on_disk: int) -> None:
        self.app = app
        self.most = most
        self.on_disk = on_disk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or not path_of(scope).endswith("/upload"):
            await self.app(scope, receive, send)
            return
        if (refused := too_large(scope, self.most)) is not None:
            await refused(scope, receive, send)
            return
        received = checked = 0

        async def receive_some() -> Message:
            nonlocal received, checked
            try:
                message = await asyncio.wait_for(receive(), SILENCE)
            except TimeoutError:
                raise MultiPartException("The upload stopped. Send the file again.") from None
            received += len(message.get("body", b""))
            if received - checked >= CHECKED_EVERY:
                checked = received
                await asyncio.to_thread(make_room, self.on_disk)
            if received > self.most:
                # Gradio's own wording for status 413.
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
            await asyncio.to_thread(make_room, self.on_disk)


class PictureTools(mcp.GradioMCPServer):
    """The MCP server, passing pictures inside calls on in memory.

    Gradio 6.31 writes each to a file that is never deleted. This can go when it deletes them.
    """

    def convert_strings_to_filedata(self, value: Any, filedata_positions: list[list[str | int]]) -> Any:
        """Turn the arguments of a call into what an event takes."""
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
    """Delete old uploads that Gradio recorded, every minute from now on.

    Gradio 6.31 does so too, but its sweep ends for good when an upload arrives during it. This can go when
    that is fixed.
    """
    repeat("sweep-uploads", SWEPT_EVERY, lambda: sweep(uploads, SWEPT_AFTER))


def sweep(uploads: Sequence[set[str]], seconds: float) -> None:
    """Delete recorded files and results that are older than `seconds`, and drop those that are gone."""
    results = {str(path) for path in Path(get_upload_folder()).glob(f"*/{RESULT}")}
    for files in (*uploads, results):
        # A copy, because uploads arrive meanwhile.
        for file in list(files):
            path = Path(file)
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime < seconds:
                    continue
                delete(path)
            files.discard(file)


def make_room(most: int) -> None:
    """Delete the oldest files, all but the latest, as long as they are too much or the disk is full."""
    folder = Path(get_upload_folder())
    found = []
    for path in folder.rglob("*"):
        # Requests delete theirs meanwhile.
        with contextlib.suppress(OSError):
            if path.is_file():
                told = path.stat()
                found.append((told.st_mtime, told.st_size, path))
    if not found:
        return
    excess = max(sum(size for _, size, _ in found) - most, LEAST_FREE - shutil.disk_usage(folder).free)
    for _, size, path in sorted(found)[:-1]:
        if excess <= 0:
            return
        delete(path)
        excess -= size


def uploaded(path: str) -> Path:
    """Return where an upload is; components call this before anything opens a file that a request names.

    A path that does not lead to a file uploaded to this app is a gr.Error.
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
    """Delete an upload and its folder; files elsewhere stay."""
    with contextlib.suppress(OSError, ValueError):
        place = Path(path).resolve()
        if _is_upload(place):
            place.unlink(missing_ok=True)
            place.parent.rmdir()


def _is_upload(path: Path) -> bool:
    return path.is_relative_to(Path(get_upload_folder()).resolve())
