"""Look at a camera or a stream without a page: one line of JSON a face and frame."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

from emotion.cli.output import DONE, load_model
from emotion.errors import EmotionError, InvalidVideoError

if TYPE_CHECKING:
    import numpy as np

    from emotion.video.camera import Camera
    from emotion.video.clip import Clip
    from emotion.video.tracking import Moment

SUMMARY: str = "Watch a camera or a stream: one line of JSON for every face in every frame."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = "Ctrl-C ends it. No picture is stored or sent."
    parser.add_argument(
        "source",
        nargs="?",
        default="0",
        metavar="CAMERA-URL-OR-FILE",
        help="number of a camera of this computer (default: 0), address of a stream (rtsp://…, http://…), or "
        "a clip",
    )
    parser.add_argument("--model", metavar="REF", help="folder, owner/name or owner/name@revision")
    parser.add_argument("--show", action="store_true", help="also open a window with the boxes")
    parser.add_argument(
        "--rate",
        type=_rate,
        default=10.0,
        metavar="N",
        help="frames a second that are looked at (default: 10)",
    )


def run(options: argparse.Namespace) -> int:
    """Watch until the stream, the window or the person ends it; return the exit status."""
    from emotion.video.follow import follow_faces

    classifier = load_model(options.model)
    with (
        contextlib.suppress(KeyboardInterrupt, WindowClosed),  # how a person ends it
        _opened(options.source) as frames,
        Window() if options.show else contextlib.nullcontext() as window,
    ):
        follow_faces(
            classifier,
            frames,
            record=_print,
            write=window.draw if window else None,
            detections_per_second=options.rate,
        )
    return DONE


def _opened(source: str) -> Camera | Clip:
    from emotion.video.camera import Camera
    from emotion.video.clip import Clip

    if source.isdigit() or "://" in source:
        return Camera(source)
    if not Path(source).is_file():
        raise InvalidVideoError(
            f"{source} is neither a camera's number, an address nor a file. Name one of them, such as 0 or "
            "rtsp://192.168.0.20/stream."
        )
    return Clip(source, max_seconds=math.inf)


def _print(moment: Moment) -> None:
    line = {"time": round(moment.time, 3), "face": moment.face.id, **moment.face.to_dict()}
    print(json.dumps(line, ensure_ascii=False), flush=True)


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate < math.inf:
        raise argparse.ArgumentTypeError("it must be above 0")
    return rate


class WindowClosed(Exception):
    """The person has closed the window."""


class Window:
    """A window that shows frames as they are annotated; closes with its `with` block."""

    def __init__(self) -> None:
        try:
            import tkinter
        except ImportError as error:
            raise EmotionError(
                "--show needs tkinter, which this Python came without. On Debian and Ubuntu, type: "
                "apt install python3-tk. Without --show, the answers are printed."
            ) from error
        try:
            self._root = tkinter.Tk(className="Facial emotion")
        except tkinter.TclError as error:
            raise EmotionError(
                "There is no screen to open a window on. Leave --show out; the answers are printed anyway."
            ) from error
        self._root.title("Facial emotion")
        self._closed = False
        self._root.protocol("WM_DELETE_WINDOW", self._close)
        self._picture = tkinter.Label(self._root)
        self._picture.pack()
        self._start: float | None = None

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        self._root.destroy()

    def draw(self, when: float, frame: np.ndarray) -> None:
        """Show uint8 (height, width, 3) at its time in seconds, so that a clip runs at its own speed."""
        from PIL import Image, ImageTk

        if self._start is None:
            self._start = time.monotonic() - when
        time.sleep(max(0.0, self._start + when - time.monotonic()))
        self._image = ImageTk.PhotoImage(Image.fromarray(frame))  # Tk keeps no reference of its own
        self._picture.configure(image=self._image)
        self._root.update()
        if self._closed:
            raise WindowClosed

    def _close(self) -> None:
        self._closed = True
