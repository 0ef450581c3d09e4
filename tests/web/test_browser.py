"""The page in a real browser: Chromium with a camera that plays example faces, at two widths, light and dark.

Screenshots of every tab are written to test-results/screenshots.
"""

import io
import re
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.app_process import EXAMPLES, ROOT, running_app

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
playwright = pytest.importorskip(
    "playwright.sync_api", reason="Playwright is not installed: make test installs it"
)
expect = playwright.expect

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: install it for these tests"),
]

SCREENSHOTS = ROOT / "test-results" / "screenshots"
PATIENCE = 60_000  # milliseconds, for a busy machine; nothing waits that long otherwise
DESKTOP, PHONE = (1280, 900), (390, 844)
TABS = {"photo": "Photo", "live": "Live", "video": "Video file", "many": "Many pictures", "model": "Model"}
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
# The page logs these two about itself in every session; they are no errors.
HARMLESS = ("Method not implemented.", "preload")


def example(name: str) -> Path:
    return next(EXAMPLES.glob(f"*-{name}.*"))


def on_canvas(path: Path, shift: int = 0) -> Image.Image:
    """A camera frame, 640 × 480, that shows an example."""
    frame = Image.new("RGB", (640, 480), (110, 120, 130))
    picture = Image.open(path).convert("RGB")
    picture.thumbnail((560, 480))
    frame.paste(picture, ((640 - picture.width) // 2 + shift, (480 - picture.height) // 2))
    return frame


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
def browser(camera):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=[*ARGUMENTS, f"--use-file-for-fake-video-capture={camera}"]
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(app, browser):
    """Open the page as a new visitor; afterwards: nothing went wrong, nowhere else was asked, nothing is left."""
    contexts, complaints = [], []

    def open_page(size=DESKTOP, *, dark=False):
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            permissions=["camera", "clipboard-read", "clipboard-write"],
            reduced_motion="reduce",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: note(complaints, message))
        page.on("pageerror", lambda error: complaints.append(f"exception: {error}"))
        page.on("request", lambda request: note_request(complaints, app.url, request.url))
        page.goto(app.url)
        expect(page.locator("#verdict")).to_contain_text("Add a picture", timeout=PATIENCE)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert app.files_on_disk() == []


def note(complaints, message):
    if message.type in ("error", "warning") and not any(text in message.text for text in HARMLESS):
        complaints.append(f"console {message.type}: {message.text}")


def note_request(complaints, home, url):
    if not url.startswith((home, "data:", "blob:")):
        complaints.append(f"request to another machine: {url}")


def go(page, tab):
    page.get_by_role("tab", name=TABS[tab], exact=True).click()


def upload(page, path):
    page.locator("#photo input[type=file]").set_input_files(path)


def answer(page):
    expect(page.locator("#verdict .em-verdict")).to_be_visible(timeout=PATIENCE)
    return page.locator("#verdict").inner_text()


def screenshot(page, name):
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def start_camera(page):
    go(page, "live")
    page.locator("#camera").get_by_text("Click to Access Webcam").click()
    page.locator("#camera").get_by_role("button", name="capture photo").click()


# --- Photo ---------------------------------------------------------------------------------------------------------


def test_an_uploaded_photo_gets_box_bars_and_reason(visit):
    page = visit()
    upload(page, example("happy"))
    assert "looks happy" in answer(page)
    expect(page.locator("#boxed img")).to_be_visible()
    bars = page.locator("#probabilities [data-testid$=-confidence-set]")
    expect(bars).to_have_count(3)
    expect(bars.first).to_contain_text("happy")
    colours = {bar.locator("meter, .bar, [aria-valuenow]").first.evaluate(BACKGROUND) for bar in bars.all()}
    assert colours == {"rgb(213, 94, 0)", "rgb(0, 158, 115)", "rgb(0, 114, 178)"}
    page.locator("#why").click()
    expect(page.locator("#heat img")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("rests most")).to_be_visible()
    screenshot(page, "photo-answer-1280")
    page.locator("#another").click()
    expect(page.locator("#boxed")).to_be_hidden()
    expect(page.locator("#verdict")).to_contain_text("Add a picture")


BACKGROUND = "element => getComputedStyle(element).backgroundColor"


def test_a_photo_can_be_dropped(visit):
    page = visit()
    drop(page, "#photo button[aria-dropeffect]", example("happy"))
    assert "looks happy" in answer(page)


def drop(page, target, path):
    transfer = page.evaluate_handle(
        """([bytes, name]) => { const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], name, {type: 'image/jpeg'})); return transfer; }""",
        [list(path.read_bytes()), path.name],
    )
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event(target, event, {"dataTransfer": transfer})


def test_a_photo_can_be_pasted(visit):
    page = visit()
    page.evaluate(
        """async bytes => navigator.clipboard.write([new ClipboardItem(
            {'image/png': new Blob([new Uint8Array(bytes)], {type: 'image/png'})})])""",
        list(as_png(example("happy"))),
    )
    page.locator("#photo").get_by_role("button", name="Paste from clipboard").click()
    assert "looks happy" in answer(page)


def as_png(path):
    buffer = io.BytesIO()
    Image.open(path).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("emotion", ["angry", "happy", "sad"])
def test_the_examples_show_what_they_say(visit, emotion):
    page = visit()
    page.locator("#examples button", has=page.get_by_text(emotion, exact=True)).click()
    assert f"looks {emotion}" in answer(page)


def test_one_of_several_faces_is_selected_by_click_by_keyboard_and_in_the_picture(visit):
    page = visit()
    page.locator("#examples button", has=page.get_by_text("several faces", exact=True)).click()
    assert "Face 1 of" in answer(page)
    cards = page.locator("#cards [data-face]")
    assert cards.count() >= 3
    cards.nth(2).click()
    expect(page.locator("#verdict")).to_contain_text("Face 3 of")
    expect(cards.nth(2)).to_have_attribute("aria-pressed", "true")
    cards.nth(0).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#verdict")).to_contain_text("Face 2 of")
    screenshot(page, "photo-several-1280")
    click_face(page, example("several-faces"), 0)
    expect(page.locator("#verdict")).to_contain_text("Face 1 of")


def click_face(page, path, index):
    """Click the middle of a face in the shown picture."""
    from emotion import EmotionClassifier

    x, y, width, height = EmotionClassifier.from_pretrained().predict(path)[index].box
    picture, shown = Image.open(path), page.locator("#boxed img").bounding_box()
    scale = min(shown["width"] / picture.width, shown["height"] / picture.height)
    left = (shown["width"] - scale * picture.width) / 2
    top = (shown["height"] - scale * picture.height) / 2
    page.locator("#boxed img").click(
        position={"x": left + scale * (x + width / 2), "y": top + scale * (y + height / 2)}
    )


def test_a_picture_without_a_face_gets_a_hint_and_no_error(visit):
    page = visit()
    page.locator("#examples button", has=page.get_by_text("no face", exact=True)).click()
    expect(page.locator("#verdict")).to_contain_text("can’t find a face", timeout=PATIENCE)
    expect(page.locator("#verdict")).to_contain_text("Light")
    expect(page.locator("#photo img")).to_be_visible()
    assert page.get_by_text("Error", exact=True).count() == 0
    screenshot(page, "photo-no-face-1280")


def test_a_file_that_is_no_picture_is_explained(visit, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 not really")
    page = visit()
    upload(page, broken)
    expect(page.locator("#verdict")).to_contain_text("That did not work", timeout=PATIENCE)
    assert "tmp" not in page.locator("#verdict").inner_text()
    upload(page, example("happy"))
    assert "looks happy" in answer(page)


def test_a_webcam_snapshot_is_classified(visit):
    page = visit()
    page.locator("#photo").get_by_role("button", name="Capture from camera").click()
    page.locator("#photo").get_by_text("Click to Access Webcam").click()
    page.locator("#photo").get_by_role("button", name="capture photo").click()
    assert re.search("looks (happy|angry)", answer(page))
    expect(page.locator("#boxed img")).to_be_visible()


# --- Live ----------------------------------------------------------------------------------------------------------


def test_live_follows_the_camera_for_ten_seconds_and_takes_a_moment_over(visit):
    page = visit()
    start_camera(page)
    expect(page.locator("#live-overlay .em-box").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#camera").get_by_text("Stop")).to_be_visible()
    seen, timelines = set(), set()
    for _ in range(40):
        page.wait_for_timeout(250)
        seen.update(re.findall(r"\b(happy|angry|not sure)\b", page.locator("#live-overlay").inner_text()))
        timelines.update(
            page.locator("#live-chart polyline").evaluate_all("all => all.map(e => e.getAttribute('points'))")
        )
    assert {"happy", "angry"} <= seen
    assert len(timelines) > 36, "every frame draws the curves anew"
    assert page.locator("#live-chart polyline").count() >= 3
    screenshot(page, "live-1280")

    page.locator("#snapshot").click()
    assert "This face" in answer(page)
    expect(page.get_by_role("tab", name="Photo")).to_have_attribute("aria-selected", "true")

    go(page, "live")
    page.locator("#camera").get_by_role("button", name="capture photo").click()
    expect(page.locator("#live-overlay .em-box")).to_have_count(0, timeout=PATIENCE)


def test_two_people_are_live_at_the_same_time(visit):
    pages = [visit(), visit(PHONE)]
    for page in pages:
        start_camera(page)
    for page in pages:
        expect(page.locator("#live-overlay .em-box").first).to_be_visible(timeout=PATIENCE)
    screenshot(pages[1], "live-390")
    pages[0].locator("#camera").get_by_role("button", name="capture photo").click()
    expect(pages[0].locator("#live-overlay .em-box")).to_have_count(0, timeout=PATIENCE)
    expect(pages[1].locator("#live-overlay .em-box").first).to_be_visible()


# --- Video file, many pictures, model ------------------------------------------------------------------------------


def test_a_clip_comes_back_annotated_with_a_timeline_and_a_csv(visit, clip):
    page = visit()
    go(page, "video")
    expect(page.get_by_text("60 seconds")).to_be_visible()
    page.locator("#clip input[type=file]").set_input_files(clip)
    player = page.locator("#annotated-clip video")
    expect(player).to_be_visible(timeout=PATIENCE)
    page.wait_for_function("document.querySelector('#annotated-clip video').readyState >= 2")
    assert player.evaluate("video => [video.videoWidth, video.videoHeight]") == [640, 480]
    expect(page.locator("#clip-chart polyline")).to_have_count(3)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the timeline").click()
    lines = download.value.path().read_text("utf-8-sig").splitlines()
    assert lines[0] == "time_seconds,face,angry,happy,sad,confidence,label"
    assert len(lines) > 10 and all(line.endswith(",happy") for line in lines[-5:])
    screenshot(page, "video-1280")


def test_a_file_that_is_no_clip_is_explained(visit, tmp_path):
    text = tmp_path / "clip.mp4"
    text.write_text("no video")
    page = visit()
    go(page, "video")
    page.locator("#clip input[type=file]").set_input_files(text)
    expect(page.locator("#annotated-clip")).to_contain_text("not a video that can be read", timeout=PATIENCE)


def test_many_pictures_get_a_gallery_totals_and_a_csv(visit, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_text("nothing")
    page = visit()
    go(page, "many")
    expect(page.get_by_text("50 pictures")).to_be_visible()
    files = [example("happy"), example("several-faces"), example("no-face"), broken]
    page.locator("#pictures input[type=file]").set_input_files(files)
    expect(page.locator("#many-summary")).to_contain_text("3 pictures", timeout=PATIENCE)
    expect(page.locator("#many-summary")).to_contain_text("broken.png")
    expect(page.locator("#gallery img")).to_have_count(3)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the CSV").click()
    lines = download.value.path().read_text("utf-8-sig").splitlines()
    assert lines[0].startswith("picture,face,x,y,width,height,label")
    assert len([line for line in lines if "several-faces" in line]) >= 3
    screenshot(page, "many-1280")


def test_the_model_tab_shows_the_model_and_refuses_others_in_plain_words(visit):
    page = visit()
    go(page, "model")
    expect(page.locator("#title")).to_contain_text("embedded default")
    page.get_by_text("Model card").click()
    page.locator("#reference textarea, #reference input").fill("nobody/no-such-model@v1")
    page.get_by_role("button", name="Load it").click()
    expect(page.locator("#model-message")).to_contain_text("That did not work", timeout=PATIENCE)
    expect(page.locator("#title")).to_contain_text("embedded default")
    page.get_by_role("button", name="Back to the default").click()
    expect(page.locator("#model-message")).to_contain_text("embedded default")
    screenshot(page, "model-1280")


# --- Every tab, phone and desktop, light and dark ------------------------------------------------------------------


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["1280", "390"])
def test_every_tab_fits_its_screen(visit, size, dark):
    page = visit(size, dark=dark)
    assert (
        page.evaluate(
            "document.documentElement.classList.contains('dark') || document.body.classList.contains('dark')"
        )
        == dark
    )
    for tab in TABS:
        open_tab(page, tab)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, tab
        screenshot(page, f"{tab}-{size[0]}-{'dark' if dark else 'light'}")
    open_tab(page, "photo")
    page.locator("#examples button", has=page.get_by_text("several faces", exact=True)).click()
    answer(page)
    page.locator("#why").click()
    expect(page.locator("#heat img")).to_be_visible(timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    screenshot(page, f"photo-answer-{size[0]}-{'dark' if dark else 'light'}")


def open_tab(page, tab):
    """On a phone, tabs that do not fit are in a menu."""
    visible = page.get_by_role("tab", name=TABS[tab], exact=True).locator("visible=true")
    if visible.count() == 0:
        page.locator(".overflow-menu > button").first.click()
        page.locator(".overflow-dropdown button", has_text=TABS[tab]).click()
    else:
        visible.first.click()
    page.wait_for_timeout(300)


def test_every_picture_has_an_alternative_text_and_every_button_a_name(visit):
    page = visit()
    upload(page, example("several-faces"))
    answer(page)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('button, a[href], input:not([type=file]), textarea')]
            .filter(e => e.offsetParent && !(e.innerText.trim() || e.ariaLabel || e.title || e.labels?.length
                || e.getAttribute('aria-labelledby') || e.querySelector('[aria-label]') || e.querySelector('img[alt]:not([alt=""])')))
            .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert unnamed == []
    silent = page.evaluate(
        """() => [...document.querySelectorAll('img')].filter(e => e.offsetParent && !e.hasAttribute('alt'))
            .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert silent == []
    assert "numbered box" in page.locator("#boxed img").get_attribute("alt")
