"""The camera of every tab, in a real browser whose cameras play example faces: front, rear, off in time."""

import re

import pytest

from tests.web.browser.actions import PATIENCE, answer, go

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.slow

# Notes what the page asks of the browser's cameras.
NOTE_CAMERAS = """() => {
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    window.asked = [];
    navigator.mediaDevices.getUserMedia = wish => {
        window.asked.push(wish.video.facingMode);
        return ask(wish);
    };
}"""
# Notes every camera that the browser turns on.
NOTE_TRACKS = """
    window.tracks = [];
    const ask = MediaDevices.prototype.getUserMedia;
    MediaDevices.prototype.getUserMedia = async function (wish) {
        await window.leave;
        const stream = await ask.call(this, wish);
        tracks.push(...stream.getTracks());
        return stream;
    };"""
MIRRORED = re.compile(r"\bflip\b")


def test_the_rear_camera_is_asked_for_and_no_mirror_in_photo(visit):
    page = visit(phone=True)
    page.evaluate(NOTE_CAMERAS)
    expect(page.locator("#photo-facing")).to_be_hidden()
    page.locator("#photo").get_by_role("button", name="Capture from camera").click()
    page.locator("#photo").get_by_text("Click to Access Webcam").click()
    expect(page.locator("#photo video")).to_have_class(MIRRORED)
    page.get_by_label("Rear camera").locator("visible=true").click()
    expect(page.locator("#photo").get_by_role("button", name="capture photo")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#photo video")).not_to_have_class(MIRRORED)
    # The page asks a moment after the picture is no mirror any more.
    page.wait_for_function("asked.at(-1) === 'environment'", timeout=PATIENCE)
    assert page.evaluate("asked[0]") == "user"
    page.locator("#photo").get_by_role("button", name="capture photo").click()
    assert re.search("looks (happy|angry)", answer(page))


def states(page):
    return page.evaluate("tracks.map(track => track.readyState)")


def turn_on(page, tab):
    """Turn the camera of a tab on; let Live and Teach look."""
    go(page, tab)
    if tab == "live":
        page.locator("#live-toggle").click()
        expect(page.locator(".em-box").first).to_be_visible(timeout=PATIENCE)
        return None
    camera = page.locator({"photo": "#photo", "teach": "#teach-camera"}[tab])
    if tab == "photo":
        camera.get_by_role("button", name="Capture from camera").click()
    camera.get_by_text("Click to Access Webcam").click()
    button = camera.get_by_role("button", name="capture photo")
    expect(button).to_be_visible(timeout=PATIENCE)
    if tab != "photo":
        button.click()
        expect(camera.get_by_text("Stop")).to_be_visible(timeout=PATIENCE)
    return camera


def hide(page):
    """What a browser says when its window is minimised or another one of its tabs is opened."""
    page.evaluate(
        """() => { Object.defineProperty(document, 'hidden', {value: true, configurable: true});
            document.dispatchEvent(new Event('visibilitychange')); delete document.hidden; }"""
    )


def stop(page):
    page.locator("#live-toggle, [aria-label='capture photo']").locator("visible=true").click()


def leave(page):
    go(page, "model")


@pytest.mark.parametrize("tab", ["live", "teach", "photo"])
def test_the_camera_goes_off_and_comes_back(visit, tab):
    page = visit(script=NOTE_TRACKS)
    frames = []
    page.on(
        "request", lambda request: frames.append(1) if "data:image" in (request.post_data or "") else None
    )
    ends = [leave, hide] if tab == "photo" else [leave, hide, stop]
    for times, end in enumerate(ends, start=1):
        turn_on(page, tab)
        assert states(page)[-1] == "live"
        end(page)
        page.wait_for_function("tracks.at(-1).readyState === 'ended'")
        assert states(page) == ["ended"] * times
        frames.clear()
        page.wait_for_timeout(1500)
        assert not frames
    if tab == "live":
        expect(page.locator(".em-box")).to_have_count(0)


def test_a_snapshot_turns_the_camera_off(visit):
    page = visit(script=NOTE_TRACKS)
    turn_on(page, "photo").get_by_role("button", name="capture photo").click()
    answer(page)
    assert states(page) == ["ended"]


NO_CAMERA = """
    if (window.none) Object.defineProperty(navigator, 'mediaDevices', {value: undefined, configurable: true});
    else MediaDevices.prototype.getUserMedia = async () => { throw new DOMException('', window.refusal); };"""


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("window.refusal = 'NotAllowedError'", "may not use the camera"),
        ("window.refusal = 'NotFoundError'", "No camera was found"),
        ("window.none = true", "https"),
    ],
    ids=["refused", "missing", "plain-http"],
)
def test_without_a_camera_every_tab_says_what_to_do(visit, cause, words):
    page = visit(script=f"{cause};{NO_CAMERA}")
    go(page, "live")
    page.locator("#live-toggle").click()
    expect(page.locator("#live-answers [role=alert]")).to_contain_text(words)
    expect(page.locator("#live-toggle")).to_have_text("Start the camera")
    for tab, camera in (("teach", "#teach-camera"), ("photo", "#photo")):
        go(page, tab)
        if tab == "photo":
            page.locator(camera).get_by_role("button", name="Capture from camera").click()
        page.locator(camera).get_by_text("Click to Access Webcam").click()
        expect(page.locator(f"{camera} + .em-camera")).to_contain_text(words)


def test_who_leaves_while_the_browser_asks_for_leave_turns_no_camera_on(visit):
    page = visit(script=NOTE_TRACKS)
    go(page, "live")
    page.evaluate("() => { window.leave = new Promise(resolve => { window.allow = resolve; }); }")
    page.locator("#live-toggle").click()
    go(page, "photo")
    page.evaluate("allow()")
    page.wait_for_function("tracks.length === 1 && tracks[0].readyState === 'ended'")
