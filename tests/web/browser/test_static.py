"""The static page in a real browser: served by the plainest of file servers, then by none."""

import csv
import io
import re
import shutil
import time

import pytest
from PIL import Image

from emotion import EmotionClassifier
from emotion.cli import main
from tests.app_process import EXAMPLES
from tests.web.browser.actions import DESKTOP, PATIENCE, PHONE, as_png, drop, example, screenshot
from tests.web.browser.static_site import new_site

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.slow

READY = "body[data-ready]"
VERDICT = "#photo-answer .em-verdict"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("static") / "site"
    assert main(["web", str(folder)]) == 0
    running = new_site(folder)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def visit(site, browser):
    """Open the page as a new visitor; afterwards nothing went wrong, and only its files were asked for."""
    contexts, complaints = [], []

    def open_page(
        size=DESKTOP,
        *,
        dark=False,
        before="",
        permissions=("camera",),
        language="en-GB",
        hash="",
        browser=browser,
    ):
        context = browser.new_context(
            viewport=dict(zip(("width", "height"), size, strict=True)),
            color_scheme="dark" if dark else "light",
            permissions=list(permissions),
            reduced_motion="reduce",
            locale=language,
        )
        contexts.append(context)
        if before:
            context.add_init_script(before)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))

        def note(request):
            if request.method != "GET" or not request.url.startswith((site.url, "blob:", "data:")):
                complaints.append(f"{request.method} {request.url}")

        context.on("request", note)
        page.goto(site.url + hash)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def show_example(page, name, words):
    page.locator(f"[data-example*={name}]").click()
    expect(page.locator("#photo-answer")).to_contain_text(words, timeout=PATIENCE)


def test_a_photo_is_answered_wherever_it_comes_from(visit):
    page = visit()
    expect(page.locator("#photo-answer")).to_contain_text("Add a picture")
    show_example(page, "happy", "looks happy")
    show_example(page, "no-face", "can’t find a face")

    page.locator("#photo-file").set_input_files(example("angry"))
    expect(page.locator(VERDICT)).to_contain_text("angry", timeout=PATIENCE)

    # Beside the zone, a browser would leave the page for the file.
    drop(page, "footer", example("sad"))
    expect(page.locator(VERDICT)).to_contain_text("sad", timeout=PATIENCE)

    paste(page, f"image/png:{list(as_png(example('happy')))}")
    expect(page.locator(VERDICT)).to_contain_text("happy", timeout=PATIENCE)
    paste(page, "text/plain:")
    expect(page.locator("#photo-answer [role=alert]")).to_contain_text("That was text")

    page.locator("#photo-another").click()
    expect(page.locator("#photo-choose")).to_be_focused()


def test_the_page_and_its_report_speak_the_chosen_language(visit):
    page = visit(language="de-AT")
    expect(page.get_by_role("tab", name="Foto")).to_be_visible(timeout=PATIENCE)
    page.locator(READY).wait_for()
    show_example(page, "happy", "sieht fröhlich aus")
    page.locator("#language").select_option("ar")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    expect(page.locator("#photo-answer")).to_contain_text("يبدو عليه سعادة")
    page.locator("#tab-model").click()
    expect(page.locator("#report")).to_contain_text("ما مدى جودته؟")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_several_faces_are_chosen_by_card_and_in_the_picture(visit):
    page = visit()
    show_example(page, "several", "Face 1 of 2")
    cards = page.locator("#photo-answer .em-cards button")
    expect(cards).to_have_count(2)
    cards.nth(1).focus()
    page.keyboard.press("Enter")
    expect(page.locator(VERDICT)).to_contain_text("Face 2 of 2")
    expect(cards.nth(1)).to_be_focused()
    shown = page.locator("#photo-canvas").bounding_box()
    page.mouse.click(shown["x"] + shown["width"] * 0.25, shown["y"] + shown["height"] * 0.4)
    expect(page.locator(VERDICT)).to_contain_text("Face 1 of 2")
    screenshot(page, "static-photo-1280")

    with page.expect_download() as waiting:
        page.locator("#photo-download").click()
    assert waiting.value.suggested_filename == "1-several-faces-faces.jpg"
    with Image.open(waiting.value.path()) as drawn, Image.open(example("several-faces")) as original:
        assert drawn.size == original.size


def test_a_snapshot_is_taken_and_the_camera_goes_out(visit):
    page = visit()
    page.locator("#photo-snapshot").click()
    until(page, "document.querySelector('#photo-video').videoWidth > 0")
    page.locator("#photo-shoot").click()
    expect(page.locator(VERDICT)).to_be_visible(timeout=PATIENCE)
    assert re.search("looks (happy|angry)", page.locator(VERDICT).inner_text())
    assert page.evaluate("document.querySelector('#photo-video').srcObject") is None


def test_what_a_browser_cannot_open_gets_a_sentence(visit, tmp_path):
    page = visit()
    tiff, heic, text = (tmp_path / name for name in ("a.tif", "b.heic", "c.jpg"))
    Image.new("RGB", (20, 20)).save(tiff)
    heic.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    text.write_bytes(b"no picture")
    for path, words in ((tiff, "TIFF"), (heic, "HEIC"), (text, "c.jpg is not a picture")):
        page.locator("#photo-file").set_input_files(path)
        expect(page.locator("#photo-answer [role=alert]")).to_contain_text(words, timeout=PATIENCE)


def test_live_follows_the_camera_also_when_the_server_is_gone(visit, site):
    page = visit(hash="#live")
    page.locator("#live-toggle").click()
    expect(page.locator(".em-box").first).to_be_visible(timeout=PATIENCE)
    site.stop()
    try:
        seen = set()
        for _ in range(60):
            page.wait_for_timeout(250)
            seen.update(re.findall(r"\b(happy|angry)\b", page.locator("#live-overlay").inner_text()))
            if seen == {"happy", "angry"}:
                break
        assert seen == {"happy", "angry"}
        assert page.locator("#live-chart polyline").count() >= 3
        expect(page.locator("#live-status")).to_contain_text("Face 1:")
        screenshot(page, "static-live-1280")
    finally:
        site.start()

    with page.expect_download() as waiting:
        page.locator("#live-csv").click()
    rows = list(csv.DictReader(io.StringIO(waiting.value.path().read_text())))
    labels = EmotionClassifier.from_pretrained().labels
    assert list(rows[0]) == [
        *"file time_seconds face x y width height label confidence reason".split(), *labels, "error"
    ]  # fmt: skip
    assert {row["label"] for row in rows} >= {"happy", "angry"}
    for row in rows:
        assert sum(float(row[label]) for label in labels) == pytest.approx(1, abs=2e-4)

    page.locator("#live-moment").click()
    expect(page.locator(VERDICT)).to_be_visible(timeout=PATIENCE)
    # In another tab, the camera is off.
    assert page.evaluate("document.querySelector('#live-video').srcObject") is None


def test_live_rests_while_the_page_is_hidden(visit):
    page = visit(hash="#live")
    page.locator("#live-toggle").click()
    expect(page.locator(".em-box").first).to_be_visible(timeout=PATIENCE)
    hide = """hidden => { Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden});
        document.dispatchEvent(new Event('visibilitychange')); }"""
    page.evaluate(hide, True)
    expect(page.locator("#live-answers")).to_contain_text("Paused")
    assert page.evaluate("document.querySelector('#live-video').srcObject") is None
    page.evaluate(hide, False)
    expect(page.locator(".em-box").first).to_be_visible(timeout=PATIENCE)


# What browsers answer where there is no camera to be had.
NO_CAMERAS = {
    "may not use the camera": "NotAllowedError",
    "No camera was found": "NotFoundError",
    "in use by another program": "NotReadableError",
}


def test_no_camera_gets_a_sentence(visit):
    page = visit(
        before="MediaDevices.prototype.getUserMedia = async () => { throw new DOMException('', refusal); }"
    )
    for words, error in NO_CAMERAS.items():
        page.evaluate("name => { window.refusal = name; }", error)
        page.locator("#tab-live").click()
        page.locator("#live-toggle").click()
        expect(page.locator("#live-answers [role=alert]")).to_contain_text(words)
        expect(page.locator("#live-toggle")).to_have_text("Start the camera")
        page.locator("#tab-photo").click()
        page.locator("#photo-snapshot").click()
        expect(page.locator("#photo-answer [role=alert]")).to_contain_text(words)


def test_plain_http_has_no_camera(visit):
    page = visit(before="Object.defineProperty(navigator, 'mediaDevices', {value: undefined});", hash="#live")
    page.locator("#live-toggle").click()
    expect(page.locator("#live-answers [role=alert]")).to_contain_text("https")


def test_another_camera_can_be_chosen(visit):
    two = """const devices = MediaDevices.prototype;
        const list = devices.enumerateDevices, ask = devices.getUserMedia;
        devices.enumerateDevices = async function () {
            const [first] = (await list.call(this)).filter(device => device.kind === 'videoinput');
            return [first, {kind: 'videoinput', deviceId: 'rear', label: 'Rear'}]; };
        window.asked = [];
        devices.getUserMedia = function (wish) { window.asked.push(wish.video.deviceId?.exact ?? null);
            return ask.call(this, {video: true}); };"""
    page = visit(before=two, hash="#live")
    page.locator("#live-toggle").click()
    expect(page.locator(".em-box").first).to_be_visible(timeout=PATIENCE)
    page.locator("#live-camera").select_option("rear")
    until(page, "window.asked.at(-1) === 'rear'")
    expect(page.locator(".em-box").first).to_be_visible(timeout=PATIENCE)
    assert page.evaluate("window.asked") == [None, "rear"]


@pytest.mark.parametrize(("language", "says"), [("en-GB", "looks happy"), ("de-AT", "sieht fröhlich aus")])
def test_after_the_first_visit_no_server_is_needed(visit, site, language, says):
    page = visit(language=language)
    page.wait_for_selector(READY)
    page.evaluate("navigator.serviceWorker.ready")
    site.stop()
    try:
        page.reload()
        page.wait_for_selector(READY)
        page.locator("#photo-file").set_input_files(example("happy"))
        expect(page.locator(VERDICT)).to_contain_text(says, timeout=PATIENCE)
    finally:
        site.start()


def test_without_webassembly_the_page_says_what_to_do(visit, old_browser):
    page = visit(browser=old_browser)
    expect(page.locator("#trouble [role=alert]")).to_contain_text("Update the browser", timeout=PATIENCE)


def test_without_workers_the_page_says_what_to_do(visit):
    page = visit(before="delete globalThis.Worker")
    expect(page.locator("#trouble [role=alert]")).to_contain_text("Update the browser", timeout=PATIENCE)


def test_another_page_gets_pythons_answers(visit):
    """Ten lines for other pages; a browser's decoder may differ from Pillow's by a grey level."""
    page = visit()
    answers = page.evaluate(
        """async names => {
            const { load } = await import('./engine/emotion.js');
            const emotion = await load();
            const answers = [];
            for (const name of names)
                answers.push(await emotion.look(await (await fetch(`examples/${name}`)).blob()));
            emotion.close();
            return answers; }""",
        [path.name for path in sorted(EXAMPLES.glob("*.jpg"))],
    )
    classifier = EmotionClassifier.from_pretrained()
    for path, found in zip(sorted(EXAMPLES.glob("*.jpg")), answers, strict=True):
        expected = classifier.predict(path)
        assert [face["label"] for face in found] == [face.label for face in expected]
        for face, wanted in zip(found, expected, strict=True):
            assert face["box"] == pytest.approx(wanted.box, abs=2)
            assert face["probabilities"] == pytest.approx(wanted.probabilities, abs=0.02)


def test_the_example_page_answers(site, browser, tmp_path):
    (tmp_path / "site").symlink_to(site.folder)
    shutil.copy(EXAMPLES / "browser.html", tmp_path)
    other = new_site(tmp_path)
    other.start()
    page = browser.new_page()
    try:
        page.goto(f"{other.url}browser.html")
        expect(page.locator("output")).to_contain_text("angry, happy, sad", timeout=PATIENCE)
        page.locator("input").set_input_files(example("happy"))
        expect(page.locator("output")).to_have_text("happy", timeout=PATIENCE)
    finally:
        page.close()
        other.stop()


@pytest.mark.parametrize(("size", "dark"), [(PHONE, False), (PHONE, True), (DESKTOP, False)])
def test_everyone_can_use_every_section(visit, size, dark):
    """axe-core finds nothing, and nothing is wider than the screen."""
    page = visit(size, dark=dark)
    page.wait_for_selector(READY)
    states = {
        "photo-empty": lambda: None,
        "photo-answered": lambda: show_example(page, "several", "Face 1 of 2"),
        "photo-no-face": lambda: show_example(page, "no-face", "can’t find a face"),
        "live-off": lambda: page.locator("#tab-live").click(),
        "live-on": lambda: (
            page.locator("#live-toggle").click(),
            expect(page.locator("#live-chart polyline").first).to_be_visible(timeout=PATIENCE),
        ),
        "model": lambda: page.locator("#tab-model").click(),
    }
    for name, act in states.items():
        act()
        assert axe(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], name
        screenshot(page, f"static-{name}-{size[0]}{'-dark' if dark else ''}")


def test_arrow_keys_lead_through_the_sections(visit):
    page = visit()
    page.locator("#tab-photo").focus()
    for key, name in (
        ("ArrowRight", "live"),
        ("ArrowRight", "model"),
        ("ArrowRight", "photo"),
        ("End", "model"),
    ):
        page.keyboard.press(key)
        expect(page.locator(f"#tab-{name}")).to_be_focused()
        expect(page.locator(f"#{name}")).to_be_visible()


def until(page, condition):
    """Wait until an expression holds; the page's policy keeps Playwright from waiting inside of it."""
    deadline = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)


def paste(page, given):
    page.evaluate(
        """given => { const [type, bytes] = given.split(/:(.*)/s), transfer = new DataTransfer();
            const file = () => new File([new Uint8Array(JSON.parse(bytes))], 'pasted.png', {type});
            if (bytes) transfer.items.add(file());
            else transfer.setData(type, 'words');
            dispatchEvent(new ClipboardEvent('paste', {clipboardData: transfer})); }""",
        given,
    )


def axe(page):
    """Return what axe-core finds, a line a finding."""
    from axe_playwright_python.base import AXE_FILE_PATH

    page.evaluate(AXE_FILE_PATH.read_text("utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    return [
        f"{each['id']}: {node['html'][:120]} {node['failureSummary'][:200]}"
        for each in found
        for node in each["nodes"]
    ]
