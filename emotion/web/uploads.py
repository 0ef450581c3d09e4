"""Uploaded files: which ones are ours, and their removal as soon as the request that needed them ends."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder


def uploaded(path: str) -> Path:
    """Return the place of an upload; components ask here before anything opens a file that a request names.

    Raises
    ------
    gradio.Error
        If the path does not lead to a file that was uploaded to this app.
    """
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        place = Path(path).resolve()
        if is_upload(place) and place.is_file():
            return place
    raise gr.Error("This file was not uploaded here. Upload it first, then send it.", print_exception=False)


def is_upload(path: Path) -> bool:
    """Whether a path leads into the folder of uploads, where there may be no such file."""
    return path.resolve().is_relative_to(Path(get_upload_folder()).resolve())


class Uploads:
    """Deletes uploaded files when the last request that needs them ends.

    Gradio names an upload after its content, so two visitors who send the same picture share one file. The
    middleware `CountUploads` sees every upload and counts here who still needs it.
    """

    def __init__(self) -> None:
        self._needed: Counter[str] = Counter()
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

    def add(self, paths: list[str]) -> None:
        """Note one more use of each file."""
        with self._lock:
            self._needed.update(str(Path(path).resolve()) for path in paths)

    def release(self, path: str | Path) -> None:
        """Give up one use of an upload; the last one deletes it. Files outside the upload folder stay."""
        path = Path(path).resolve()
        if not is_upload(path):
            return
        with self._lock:
            self._needed[str(path)] -= 1
            if self._needed[str(path)] > 0:
                return
            del self._needed[str(path)]
            _delete(path)

    def delete_tool_files(self) -> None:
        """Delete the pictures that MCP clients sent inside calls: Gradio writes each to "file.<type>"."""
        with self._lock:
            for path in Path(get_upload_folder()).resolve().glob("*/file*"):
                if path.stem == "file" and not self._needed[str(path)]:
                    _delete(path)


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    # Another visitor's file of the same content may be in the folder.
    with contextlib.suppress(OSError):
        path.parent.rmdir()
