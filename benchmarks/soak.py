"""The app after thousands of mixed requests and hundreds of visitors who left in the middle.

python -m benchmarks.soak [--requests 2000] [--dropped 300]

Printed are the memory of the app and all its processes after the first tenth and at the end, the largest
difference between, the files that are left, and the requests that went wrong. The exit status is 1 where the
memory moved by more than 20 MB, a file is left or a request failed that should not.

Four people ask at once first, so that everything that serves several is there. Then visitors ask the API, add
photographs to the page, hold frames before the camera, and send what is no picture. Of those who leave, one
third breaks an upload off, one third leaves before the answer, and one third uploads and never asks. Linux
only.
"""

import argparse
import base64
import contextlib
import itertools
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from benchmarks.apps import API, OURS, App, Visitor, memory, running
from benchmarks.load import Uniquely, pictures
from benchmarks.rows import Row, print_rows

FLAT_WITHIN = 20  # MB
SETTLES_WITHIN = 6  # seconds after which memory is measured
MEASURED = 10  # times
AT_ONCE = 4
# Seconds: unclaimed uploads are deleted after ten minutes, by a sweep every minute.
DELETED_WITHIN = 700
NO_PICTURE = b"not a picture at all, and that for a while. " * 50


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--dropped", type=int, default=300, help="visitors who leave in the middle")
    parser.add_argument("--faces", type=Path, help="folder with tight face crops (default: examples/)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with running(OURS) as app:
        sizes, failed = soak(app, options)
        left = files_left(app)
    moved = max(sizes[1:]) - min(sizes[1:])
    print_rows([
        Row("memory after the first tenth", "MB", sizes[1], sizes[0], "before the first"),
        Row("memory at the end", "MB", sizes[-1], sizes[1], "after the first tenth"),
        Row("memory: largest less smallest after the first tenth", "MB", moved),
        Row("files left", "files", len(left)),
        Row("requests that failed", "requests", len(failed)),
    ])  # fmt: skip
    print(*failed[:5], *left[:5], sep="\n")
    return 1 if moved > FLAT_WITHIN or left or failed else 0


def soak(app: App, options: argparse.Namespace) -> tuple[list[float], list[str]]:
    """Return the memory at the beginning and after every tenth, and what went wrong."""
    turns = Uniquely(pictures(options, 40))
    kinds = itertools.cycle((ask, ask, show, ask, film, send_nonsense, ask, show))
    partings = itertools.cycle((break_off, leave_early, never_ask))
    sizes, failed = [memory(app.pid)], []
    with ThreadPoolExecutor(AT_ONCE) as people:
        first = [next(turns) for _ in range(4 * AT_ONCE)]
        failed += filter(None, people.map(lambda picture: ask(app, picture), first))
    for number in tqdm(range(options.requests), desc="soak", disable=None):
        said = next(kinds)(app, next(turns))
        if said:
            failed.append(said)
        if number * options.dropped // options.requests != (number + 1) * options.dropped // options.requests:
            next(partings)(app, next(turns))
        if (number + 1) % (options.requests // MEASURED) == 0:
            time.sleep(SETTLES_WITHIN)
            sizes.append(memory(app.pid))
            tqdm.write(f"{number + 1} requests: {sizes[-1]:.0f} MB")
    return sizes, failed


# --- Visitors


def ask(app: App, picture: bytes) -> str | None:
    """Ask the API."""
    with contextlib.closing(Visitor(app)) as visitor:
        return visitor.classify(picture).error


def show(app: App, picture: bytes) -> str | None:
    """Add a photograph to the page, with the page open, and close it."""
    with contextlib.closing(Visitor(app)) as visitor, visitor.page_open():
        return visitor.show_photo(picture).error


def film(app: App, picture: bytes) -> str | None:
    """Hold something before the camera for a moment."""
    frame = "data:image/jpeg;base64," + base64.b64encode(picture).decode()
    with contextlib.closing(Visitor(app)) as visitor, visitor.page_open():
        try:
            visitor.film([frame], seconds=0.2)
        except RuntimeError as error:
            return str(error)
    return None


def send_nonsense(app: App, _: bytes) -> str | None:
    """Send what is no picture; being told so is right."""
    with contextlib.closing(Visitor(app)) as visitor:
        told = visitor.classify(NO_PICTURE)
    return None if told.error and "not a picture" in told.error else f"nonsense was answered: {told}"


def break_off(app: App, picture: bytes) -> None:
    """Hang up in the middle of an upload."""
    with socket.create_connection(("127.0.0.1", app.port)) as line:
        line.sendall(
            f"POST {API}/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: {10 * len(picture)}\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
            '--b\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'.encode()
            + picture
        )
        time.sleep(0.05)


def leave_early(app: App, picture: bytes) -> None:
    """Ask for a photograph on the page and leave before the answer."""
    with contextlib.closing(Visitor(app)) as visitor, visitor.page_open():
        visitor.begin("photo", picture)


def never_ask(app: App, picture: bytes) -> None:
    """Upload and leave."""
    with contextlib.closing(Visitor(app)) as visitor:
        visitor.upload(picture)


def files_left(app: App) -> list[str]:
    """Wait until all uploads are deleted, and return those that are not in time."""
    end = time.monotonic() + DELETED_WITHIN
    while (
        left := [str(path) for path in app.uploads.rglob("*") if path.is_file()]
    ) and time.monotonic() < end:
        time.sleep(1)
    return left


if __name__ == "__main__":
    sys.exit(main())
