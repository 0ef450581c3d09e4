"""Gradio components that keep people's pictures off the disk, and the removal of what Gradio has to write there.

Gradio saves every upload and every picture it shows as a file. Here shown pictures travel inside the page as data
URLs, and an upload is deleted as soon as the request that needed it ends. What the page looks like is elsewhere.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.components.gallery import GalleryData, GalleryImage
from gradio.data_classes import FileData, ImageData, ListFiles
from gradio.utils import get_upload_folder
from PIL import Image

SHOWN_SIDE = 1280  # pixels: larger pictures are shown reduced, which every screen forgives
QUALITY = 88  # of JPEG; higher only makes the page slower


def data_url(picture: np.ndarray | Image.Image, *, side: int = SHOWN_SIDE) -> str:
    """Return a picture as a JPEG data URL, reduced to at most `side` pixels."""
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    if max(image.size) > side:
        image = image.copy()
        image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def uploaded(path: str) -> Path:
    """Return the place of an upload; every component asks here before anything opens a file that a request names.

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


class MemoryImage(gr.Image):
    """A `gr.Image` that hands on what was sent, undecoded, and shows pictures without writing them to disk.

    As an input it gives bytes (a camera frame) or the `pathlib.Path` of an upload, to be opened with
    `emotion.vision.images.open_image` and released with `Uploads.release`. As an output it takes an array or PIL image.
    """

    is_template = True  # Gradio draws it as an Image

    def preprocess(self, payload: ImageData | None) -> bytes | Path | None:
        """Give the encoded picture, or where its upload is."""
        if payload is None:
            return None
        if payload.url and payload.url.startswith("data:"):
            try:
                return base64.b64decode(payload.url.partition(",")[2])
            except ValueError:
                return b""  # no picture either; whoever opens it says so
        return uploaded(payload.path) if payload.path else None

    def postprocess(self, value: np.ndarray | Image.Image | None) -> ImageData | None:
        """Put the picture into the page."""
        return None if value is None else ImageData(url=data_url(value), mime_type="image/jpeg")


class MemoryGallery(gr.Gallery):
    """A `gr.Gallery` that shows (picture, caption) pairs without writing them to disk."""

    is_template = True

    def postprocess(self, value: list[tuple[np.ndarray | Image.Image, str]] | None) -> GalleryData:
        """Put the pictures into the page."""
        return GalleryData(
            root=[
                GalleryImage(image=ImageData(url=data_url(picture), mime_type="image/jpeg"), caption=caption)
                for picture, caption in value or []
            ]
        )


class UploadedFiles(gr.File):
    """A `gr.File` that gives the paths of uploads; Gradio's own leaves an empty temporary file behind for each."""

    is_template = True

    def preprocess(self, payload: ListFiles | FileData | None) -> list[str]:
        """Give the path of every upload."""
        if payload is None:
            return []
        files = payload.root if isinstance(payload, ListFiles) else [payload]
        return [str(uploaded(file.path)) for file in files]


class Uploads:
    """Deletes uploaded files when the last request that needs them ends.

    Gradio names an upload after its content, so two visitors who send the same picture share one file. `count`,
    a middleware, sees every upload and counts who still needs it.
    """

    def __init__(self):
        self._needed: Counter[str] = Counter()
        self._tool_calls = 0  # of MCP clients, being answered now; touched by the event loop only
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def using(self, *sources: str | Path | bytes | None) -> Iterator[None]:
        """Delete the files among `sources` at the end of the `with` block, however it ends."""
        try:
            yield
        finally:
            for source in sources:
                if isinstance(source, (str, Path)):
                    self.release(source)

    def release(self, path: str | Path) -> None:
        """Give up one use of an upload; the last one deletes it. Files outside the upload folder are left alone."""
        path = Path(path).resolve()
        if not _is_upload(path):
            return
        with self._lock:
            self._needed[str(path)] -= 1
            if self._needed[str(path)] > 0:
                return
            del self._needed[str(path)]
            _delete(path)

    def add(self, paths: list[str]) -> None:
        """Note one more use of each file."""
        with self._lock:
            self._needed.update(str(Path(path).resolve()) for path in paths)

    def count(self, app: Callable) -> Callable:
        """Wrap an ASGI application: note every upload that it answers, and clean up behind MCP tools."""

        async def counting(
            scope: MutableMapping[str, Any],
            receive: Callable[[], Awaitable],
            send: Callable[[Any], Awaitable],
        ) -> None:
            async def note(message: MutableMapping[str, Any]) -> None:
                if message["type"] == "http.response.body" and message.get("body", b"").startswith(b"["):
                    self.add(json.loads(message["body"]))
                await send(message)

            path = scope.get("path", "").rstrip("/")
            if path.endswith("/upload"):
                await app(scope, receive, note)
            elif path.endswith("/mcp") and scope["method"] == "POST":
                self._tool_calls += 1
                try:
                    await app(scope, receive, send)
                finally:
                    self._tool_calls -= 1
                    if not self._tool_calls:
                        self._delete_tool_files()
            else:
                await app(scope, receive, send)

        return counting

    def _delete_tool_files(self) -> None:
        """Delete the pictures that MCP clients sent inside their calls: Gradio writes each to "file.<type>"."""
        with self._lock:
            for path in Path(get_upload_folder()).resolve().glob("*/file*"):
                if path.stem == "file" and not self._needed[str(path)]:
                    _delete(path)


def without_false_alarms(app: Callable) -> Callable:
    """Wrap an ASGI application: answer two requests of Gradio 6.31 that browsers would report as errors.

    The page asks for the progress of a camera snapshot's upload before it has a name for it, and it may ask for
    the preview of an upload that was already read and deleted.
    """

    async def answering(
        scope: MutableMapping[str, Any], receive: Callable[[], Awaitable], send: Callable[[Any], Awaitable]
    ) -> None:
        path = scope.get("path", "")
        if path.endswith("/upload_progress") and scope["query_string"] == b"upload_id=":
            await _respond(send, 200, b'data: {"msg": "done"}\n\n', b"text/event-stream")
        elif "/file=" in path and _is_deleted_upload(Path(path.partition("/file=")[2])):
            await _respond(send, 204, b"", b"image/png")
        else:
            await app(scope, receive, send)

    return answering


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # another visitor's file of the same content may be in the folder
        path.parent.rmdir()


def _is_upload(path: Path) -> bool:
    return path.resolve().is_relative_to(Path(get_upload_folder()).resolve())


def _is_deleted_upload(path: Path) -> bool:
    return _is_upload(path) and not path.exists()


async def _respond(send: Callable[[Any], Awaitable], status: int, body: bytes, kind: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
    await send({"type": "http.response.body", "body": body})
