"""Chromium with a camera that plays example faces, and an app of its own for every file of tests.

Screenshots of every tab are written to test-results/screenshots.
"""

import io
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import av
import numpy as np
import pytest

from tests.app_process import running_app
from tests.web.browser.actions import (
    ARGUMENTS,
    DESKTOP,
    HARMLESS,
    PATIENCE,
    PHONE,
    SCREENSHOTS,
    example,
    on_canvas,
)

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def camera(tmp_path_factory) -> Path:
    """What the camera sees, over and over: a happy face for three seconds, then an angry one for three."""
    path = tmp_path_factory.mktemp("camera") / "faces.mjpeg"
    with path.open("wb") as file:
        for name in ("happy", "angry"):
            for index in range(90):
                buffer = io.BytesIO()
                on_canvas(example(name), shift=index // 6).save(buffer, "JPEG", quality=85)
                file.write(buffer.getvalue())
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """Two seconds of video of a happy face."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for index in range(20):
            frame = av.VideoFrame.from_ndarray(np.asarray(on_canvas(example("happy"), index)), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    with running_app(tmp_path_factory.mktemp("app")) as running:
        yield running


@pytest.fixture(scope="module")
def launch(camera):
    """Start browsers, whose processes end with the module."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: make test installs it"
    )
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install it for these tests")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    arguments = [*ARGUMENTS, f"--use-file-for-fake-video-capture={camera}"]
    browsers = []
    with playwright.sync_playwright() as driver:

        def start(*more):
            browsers.append(driver.chromium.launch(executable_path=CHROMIUM, args=[*arguments, *more]))
            return browsers[-1]

        yield start
        for browser in browsers:
            browser.close()


@pytest.fixture(scope="module")
def browser(launch):
    return launch()


@pytest.fixture(scope="module")
def old_browser(launch):
    """A browser that compiles nothing, so it has no WebAssembly."""
    return launch("--js-flags=--jitless")


@pytest.fixture
def visit(app, browser):
    """Open the page as a new visitor; afterwards nothing went wrong, was asked elsewhere or is left."""
    contexts, complaints = [], []

    def open_page(
        size=DESKTOP, *, dark=False, phone=False, script="", language="en-GB", browser=browser, url=app.url
    ):
        context = browser.new_context(
            viewport=dict(zip(("width", "height"), PHONE if phone else size, strict=True)),
            has_touch=phone,
            is_mobile=phone,
            color_scheme="dark" if dark else "light",
            permissions=["camera", "clipboard-read", "clipboard-write"],
            reduced_motion="reduce",
            locale=language,
        )
        contexts.append(context)
        context.add_init_script(script)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: note(complaints, message))
        page.on("pageerror", lambda error: note_exception(complaints, error))
        page.on("request", lambda request: note_request(complaints, url, request.url))
        page.goto(url)
        from playwright.sync_api import expect

        expect(page.locator("#photo-zone[data-ready], #photo-zone [data-ready]")).to_be_attached(
            timeout=PATIENCE
        )
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert app.files_on_disk() == []


def note_exception(complaints, error):
    if not any(text in str(error) for text in HARMLESS):
        complaints.append(f"exception: {error}")


def note(complaints, message):
    refused = message.text.startswith("Failed to load resource") and for_nothing(message.location["url"])
    if refused or message.text == "Response":  # how the page logs that a stream had already ended
        return
    if message.type in ("error", "warning") and not any(text in message.text for text in HARMLESS):
        complaints.append(f"console {message.type}: {message.text}")


def for_nothing(url):
    """Whether Gradio 6.31's page asked for something that does not exist, which the console reports.

    It asks for the progress of an upload without a name, the preview of a deleted upload, and the end of a
    stream that has ended.
    """
    return urlsplit(url).path.endswith(("/upload_progress", "/close")) or "/file=" in url


def note_request(complaints, home, url):
    if not url.startswith((home, "data:", "blob:")):
        complaints.append(f"request to another machine: {url}")
