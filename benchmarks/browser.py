"""The engine in the visitor's browser, beside `@vladmandic/human` before the same camera, on one core.

python -m benchmarks.browser
python -m benchmarks.browser --only speed start --seconds 15 --output browser.json

Headless Chromium, without a GPU and held to one core, opens pages from loopback; its camera plays a clip of a
face that moves. Printed is one row per figure, in groups that --only picks:

speed      answers a second at 640×480, each for a new frame, and the processor time of the page's own thread
           for one. Ours is the whole static page, which draws boxes, bars and the timeline, and answers no
           faster than the camera's 30 frames a second; human draws nothing.
start      milliseconds until the page is ready, and from the press on Start to the first answer.
bytes      over the wire: the first visit, and a second one.
parity     the engine in Node against Python on 200 composed scenes: leaning, small, large and tight faces,
           groups, large pictures and none.
visitors   ten people on Live in the app at the same time: what they cost the server, beside ten open pages.

human and TensorFlow.js's WebAssembly come from npm into a folder of the user's cache on first use. The face
is from --faces, a folder of tight crops, or from the portraits in examples/. Linux, Chromium, Playwright and
Node.js are needed.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from benchmarks.apps import OURS, affinity, family, processor_seconds, running
from benchmarks.peers.environments import human_packages
from benchmarks.rows import Row, add_output, print_groups
from benchmarks.scenes import face_files, film
from emotion import EmotionClassifier
from emotion.web.browser.files import example_pictures
from emotion.web.browser.site import site_files, write_site
from tests.web.browser_engine.node import Node
from tests.web.browser_engine.scenes import composed, faces_of_examples

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HERE = Path(__file__).parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
PEER, MESH = "@vladmandic/human", "@vladmandic/human with mesh"
FRAMES = 90
SCENES, CHUNK = 200, 25
VISITORS = 10
PATIENCE = 120_000  # milliseconds

# Notes when our page is ready, when it asks for answers, and when the first box is there.
NOTE_OURS = """
    window.answered = [];
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (request, given) {
        if (request.task === "follow") answered.push(performance.now());
        return post.call(this, request, given);
    };
    addEventListener("click", () => { window.pressed = performance.now(); }, true);
    new MutationObserver(() => {
        if (document.body?.dataset.ready) window.readyAt ??= performance.now();
        if (document.querySelector(".em-box")) window.firstAfter ??= performance.now() - pressed;
    }).observe(document, { subtree: true, childList: true, attributes: true });"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS), metavar="GROUP")
    parser.add_argument("--faces", type=Path, help="folder with tight face crops (default: examples/)")
    parser.add_argument("--seconds", type=float, default=10, help="of answering, each (default: 10)")
    parser.add_argument("--rounds", type=int, default=2, help="of all in turn (default: 2)")
    parser.add_argument("--scenes", type=int, default=SCENES, help=f"for parity (default: {SCENES})")
    parser.add_argument("--seed", type=int, default=0)
    add_output(parser)
    options = parser.parse_args()
    return print_groups(GROUPS, options)


# --- One browser on one core --------------------------------------------------------------------------------


def speed(options: argparse.Namespace) -> list[Row]:
    """Let the three answer in turn."""
    rates: dict[str, list[float]] = {}
    costs: dict[str, list[float]] = {}
    with pages(options) as open_page:
        for name in tqdm(list(ADDRESSES) * options.rounds, desc="speed", leave=False, disable=None):
            with open_page(name) as (page, thread):
                start_camera(page, name)
                page.wait_for_timeout(2000)
                answers, busy = len(answered(page)), thread()
                page.wait_for_timeout(1000 * options.seconds)
                answers, busy = len(answered(page)) - answers, thread() - busy
            if not answers:
                raise RuntimeError(f"{name} gave no answer.")
            rates.setdefault(name, []).append(answers / options.seconds)
            costs.setdefault(name, []).append(1000 * busy / answers)
    ours, cost = statistics.median(rates["ours"]), statistics.median(costs["ours"])
    rows = []
    for peer in (PEER, MESH):
        rows += [
            Row("answers at 640×480, one core", "per second", ours, statistics.median(rates[peer]), peer),
            Row("the page's thread, an answer", "ms", cost, statistics.median(costs[peer]), peer),
        ]
    return rows


def start(options: argparse.Namespace) -> list[Row]:
    """Open each page anew several times, and start its camera."""
    ready: dict[str, list[float]] = {}
    first: dict[str, list[float]] = {}
    names = [name for name in ADDRESSES if name != MESH]
    with pages(options) as open_page:
        for name in tqdm(names * (options.rounds + 1), desc="start", leave=False, disable=None):
            with open_page(name) as (page, _):
                ready.setdefault(name, []).append(page.evaluate("readyAt"))
                start_camera(page, name)
                first.setdefault(name, []).append(page.evaluate("firstAfter"))
    median = statistics.median
    return [
        Row("page ready", "ms", median(ready["ours"]), median(ready[PEER]), PEER),
        Row(
            "first answer after the camera is started", "ms", median(first["ours"]), median(first[PEER]), PEER
        ),
    ]


def count_bytes(options: argparse.Namespace) -> list[Row]:
    """Visit twice, and count what the file server sends."""
    sent = {}
    with pages(options) as open_page:
        for name in (name for name in ADDRESSES if name != MESH):
            open_page.server.sent = 0
            with open_page(name) as (page, _):
                if name == "ours":
                    page.evaluate("navigator.serviceWorker.ready.then(() => {})")
                page.wait_for_timeout(1000)
                first, open_page.server.sent = open_page.server.sent, 0
                page.reload()
                until(page, "window.readyAt")
                page.wait_for_timeout(1000)
                sent[name] = first, open_page.server.sent
    return [
        Row(f"{visit} visit", "MB", sent["ours"][index] / 1e6, sent[PEER][index] / 1e6, PEER)
        for index, visit in enumerate(("first", "second"))
    ]


class Pages:
    """Opens pages in one browser; what each needs lies on a file server that counts bytes."""

    def __init__(self, browser: Browser, server: CountingServer) -> None:
        self.browser = browser
        self.server = server

    @contextmanager
    def __call__(self, name: str) -> Iterator[tuple[Page, Callable[[], float]]]:
        """Give a page that is ready, and a function: seconds that its own thread has worked."""
        context = self.browser.new_context(permissions=["camera"], viewport={"width": 1280, "height": 900})
        if name == "ours":
            context.add_init_script(NOTE_OURS)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{self.server.url}{ADDRESSES[name]}")
        until(page, "window.readyAt")
        session = context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})

        def thread() -> float:
            metrics = session.send("Performance.getMetrics")["metrics"]
            return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

        yield page, thread
        context.close()


ADDRESSES = {"ours": "site/#live", PEER: "human.html", MESH: "human.html?mesh"}


@contextmanager
def pages(options: argparse.Namespace) -> Iterator[Pages]:
    """Start a browser on one core, and a file server on the others."""
    with tempfile.TemporaryDirectory() as scratch, chromium(options, Path(scratch), one_core=True) as browser:
        folder = Path(scratch, "pages")
        classifier = EmotionClassifier.from_pretrained()
        write_site(folder / "site", site_files(classifier, example_pictures()))
        packages = human_packages()
        (folder / "human").symlink_to(packages / "@vladmandic" / "human")
        (folder / "wasm").symlink_to(packages / "@tensorflow" / "tfjs-backend-wasm" / "dist")
        shutil.copy(HERE / "peers" / "human.html", folder)
        with CountingServer(folder) as server:
            yield Pages(browser, server)


@contextmanager
def chromium(options: argparse.Namespace, scratch: Path, *, one_core: bool) -> Iterator[Browser]:
    """Start a browser whose camera plays a face that moves."""
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        raise RuntimeError("There is no Chromium on this machine. Install it first.")
    rng = np.random.default_rng(options.seed)
    faces = face_files(options.faces)
    camera = scratch / "camera.mjpeg"
    camera.write_bytes(b"".join(film(faces[rng.integers(len(faces))], rng, frames=FRAMES, colour=True)))
    core = {min(os.sched_getaffinity(0))} if one_core else None
    with affinity(core):
        driver = sync_playwright().start()
        arguments = [*ARGUMENTS, f"--use-file-for-fake-video-capture={camera}"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
    try:
        yield browser
    finally:
        browser.close()
        driver.stop()


class CountingServer(ThreadingHTTPServer):
    """A file server on loopback that counts the bytes that it sends."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(CountingHandler, directory=str(folder)))
        self.sent = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *details: object) -> None:
        self.shutdown()
        super().__exit__(*details)


class CountingHandler(SimpleHTTPRequestHandler):
    """Counts head and body of every answer."""

    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        write, server = self.wfile.write, self.server

        def count(content: bytes) -> int:
            server.sent += len(content)
            return write(content)

        self.wfile.write = count

    def log_message(self, *message: object) -> None:
        pass


def start_camera(page: Page, name: str) -> None:
    """Start the camera, and wait for the first face."""
    if name == "ours":
        page.locator("#live-toggle").click()
    else:
        page.evaluate("() => { start(); }")
    until(page, "window.firstAfter")


def answered(page: Page) -> list[float]:
    """Return when answers came, or were asked for."""
    return page.evaluate("answered")


def until(page: Page, condition: str) -> None:
    """Wait until an expression holds; the page's policy keeps Playwright from waiting inside of it."""
    deadline = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(condition):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{page.url} did not come so far: {condition}")
        page.wait_for_timeout(50)


# --- The same answers ---------------------------------------------------------------------------------------


def parity(options: argparse.Namespace) -> list[Row]:
    """Compare the engine's answers with Python's, scene by scene."""
    classifier = EmotionClassifier.from_pretrained()
    boxes = told = faces = 0
    differences: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        scenes = composed(faces_of_examples(Path(scratch)), options.scenes)
        for begin in tqdm(range(0, options.scenes, CHUNK), desc="parity", leave=False, disable=None):
            pictures = [next(scenes) for _ in range(min(CHUNK, options.scenes - begin))]
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                node = Node(Path(folder))
                for picture in pictures:
                    node.ask("look", picture)
                answers = node.answers(classifier)
            for picture, found in zip(pictures, answers, strict=True):
                expected = classifier.predict(picture)
                faces += len(expected)
                same = [tuple(face["box"]) for face in found] == [face.box for face in expected]
                boxes += same
                if not same:
                    continue
                for face, wanted in zip(found, expected, strict=True):
                    told += (face["label"], face["reason"]) == (wanted.label, wanted.reason)
                    differences += [
                        abs(face["probabilities"][label] - value)
                        for label, value in wanted.probabilities.items()
                    ]
    return [
        Row(f"scenes of {options.scenes} with Python's boxes", "scenes", boxes),
        Row(f"faces of {faces} with Python's label and reason", "faces", told),
        Row("probabilities: mean difference", "", float(np.mean(differences))),
        Row("probabilities: largest difference", "", max(differences)),
    ]


# --- What visitors cost -------------------------------------------------------------------------------------


def visitors(options: argparse.Namespace) -> list[Row]:
    """Open the app ten times, and start Live in every page; the server's processor time before and after."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        running(OURS) as app,
        chromium(options, Path(scratch), one_core=False) as browser,
    ):
        opened = []
        for _ in tqdm(range(VISITORS), desc="visitors", leave=False, disable=None):
            page = browser.new_context(permissions=["camera"]).new_page()
            page.set_default_timeout(PATIENCE)
            page.goto(f"http://127.0.0.1:{app.port}")
            page.get_by_role("tab", name="Live", exact=True).click()
            page.locator("#live-where", has_text="On this device: no picture").wait_for()
            opened.append(page)

        def cost() -> float:
            before = processor_seconds(family(app.pid))
            time.sleep(options.seconds)
            return 1000 * (processor_seconds(family(app.pid)) - before) / options.seconds

        idle = cost()
        for page in opened:
            page.locator("#live-toggle").click()
        for page in opened:
            page.locator(".em-box").first.wait_for()
        live = cost()
    name = f"{VISITORS} visitors on Live: the server's processor time"
    return [Row(name, "ms a second", live, idle, f"{VISITORS} open pages without a camera")]


GROUPS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "speed": speed,
    "start": start,
    "bytes": count_bytes,
    "parity": parity,
    "visitors": visitors,
}

if __name__ == "__main__":
    sys.exit(main())
