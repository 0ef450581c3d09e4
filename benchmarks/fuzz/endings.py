"""The end of the app at any moment, as a Space, Docker and systemd end it: by SIGTERM."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import threading
import time
from pathlib import Path

from benchmarks.apps import OURS, ROOT, App, Visitor, family, running
from benchmarks.fuzz.pictures import corpus

ENDS_WITHIN = 5.0  # seconds
PICTURE = next((ROOT / "examples").glob("*-happy.*"))


class Endings:
    """Ends the app while visitors send it pictures; nothing of theirs and no process may be left."""

    name = "endings"

    def __init__(self, folder: Path) -> None:
        del folder
        self._files = [content for _, content in zip(range(20), corpus(), strict=False)]

    def try_one(self, chance: random.Random) -> str:
        """Start the app, ask it something, and end it after a while."""
        with running(OURS) as app:
            crowd = [threading.Thread(target=self._visit, args=(app,), daemon=True) for _ in range(4)]
            for each in crowd:
                each.start()
            time.sleep(chance.expovariate(1.0))
            processes = family(app.pid)
            os.kill(app.pid, signal.SIGTERM)
            deadline = time.monotonic() + ENDS_WITHIN
            while not app.ended():
                if time.monotonic() > deadline:
                    raise ValueError(f"still there {ENDS_WITHIN:g} seconds after SIGTERM")
                time.sleep(0.02)
            left = [path for path in app.uploads.rglob("*") if path.is_file()]
            if left:
                raise ValueError(f"{len(left)} files of visitors are left, such as {left[0].name}")
            if any(Path(f"/proc/{process}/fd").exists() and _runs(process) for process in processes[1:]):
                raise ValueError("a process is left that opened a visitor's file")
        return "ended"

    def close(self) -> None:
        """Nothing is left to end."""

    def _visit(self, app: App) -> None:
        picture = PICTURE.read_bytes()
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, RuntimeError):
            visitor = Visitor(app)
            while not app.ended():
                visitor.show_photo(picture)


def _runs(process: int) -> bool:
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False
