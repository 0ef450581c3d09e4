"""Uploaded files: which ones are ours, and their removal as soon as the request that needed them ends."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder

from emotion.web.process import repeat

# Seconds: how old uploads are that are deleted because nobody asked about them, and how often they are looked
# for.
SWEPT_AFTER, SWEPT_EVERY = 600, 60


def keep_sweeping(uploads: Sequence[set[str]]) -> None:
    """Look for old uploads, from now on and every minute.

    Parameters
    ----------
    uploads : sequence of set of str
        Where Gradio notes the files that it wrote.
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
                path.unlink()
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
        if is_upload(place) and place.is_file():
            return place
    raise gr.Error("This file was not uploaded here. Upload it first, then send it.", print_exception=False)


def is_upload(path: Path) -> bool:
    """Whether a path leads into the folder of uploads, where there may be no such file."""
    return path.resolve().is_relative_to(Path(get_upload_folder()).resolve())


class Uploads:
    """Deletes uploaded files when the last request that needs them ends.

    Gradio names an upload after its content, so two visitors who send the same picture share one file. The
    middleware `CountUploads` sees every upload and notes here who still needs it.

    Parameters
    ----------
    seconds : float
        An upload that no request used after this time will not be used any more: its visitor has left, and
        `sweep` deletes the file.
    """

    def __init__(self, seconds: float = SWEPT_AFTER) -> None:
        self.seconds = seconds
        # When each use was noted, the oldest first.
        self._needed: dict[str, list[float]] = {}
        # Uploads that have come in whole and are not noted yet, and what to delete once they are.
        self._settling = 0
        self._unneeded: set[str] = set()
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

    @contextlib.contextmanager
    def settling(self) -> Iterator[None]:
        """Delete nothing inside the `with` block: an upload gets its name there, and is noted as needed.

        Its file may be one that another visitor gives up in that very moment.
        """
        with self._lock:
            self._settling += 1
        try:
            yield
        finally:
            with self._lock:
                self._settling -= 1
                if not self._settling:
                    for path in self._unneeded - self._needed.keys():
                        _delete(Path(path))
                    self._unneeded.clear()

    def add(self, paths: list[str]) -> None:
        """Note one more use of each file."""
        now = time.monotonic()
        with self._lock:
            self._forget(now - self.seconds)
            for path in paths:
                self._needed.setdefault(str(Path(path).resolve()), []).append(now)

    def release(self, path: str | Path) -> None:
        """Give up one use of an upload; the last one deletes it. Files outside the upload folder stay."""
        path = Path(path).resolve()
        if not is_upload(path):
            return
        with self._lock:
            uses = self._needed.pop(str(path), [])[1:]
            if uses:
                self._needed[str(path)] = uses
            else:
                self._discard(path)

    def delete_tool_files(self) -> None:
        """Delete the pictures that MCP clients sent inside calls: Gradio writes each to "file.<type>"."""
        with self._lock:
            for path in Path(get_upload_folder()).resolve().glob("*/file*"):
                if path.stem == "file" and str(path) not in self._needed:
                    self._discard(path)

    def delete_parts(self) -> None:
        """Delete what Gradio wrote of uploads that it then made nothing of; call it while none is running."""
        with contextlib.suppress(OSError):
            for path in Path(get_upload_folder()).resolve().iterdir():
                if path.is_file():
                    path.unlink(missing_ok=True)

    def _discard(self, path: Path) -> None:
        if self._settling:
            self._unneeded.add(str(path))
        else:
            _delete(path)

    def _forget(self, before: float) -> None:
        for path, uses in list(self._needed.items()):
            lately = [moment for moment in uses if moment > before]
            if lately:
                self._needed[path] = lately
            else:
                del self._needed[path]


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    # Another visitor's file of the same content may be in the folder.
    with contextlib.suppress(OSError):
        path.parent.rmdir()
