"""The camera of every tab, in a real browser whose cameras play example faces: one at a time, off in time."""

import pytest

from tests.web.browser.actions import PATIENCE, answer, go

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.slow

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
ZONES = {"photo": "#photo-zone", "teach": "#teach-zone"}


def states(page):
    return page.evaluate("tracks.map(track => track.readyState)")


def turn_on(page, tab):
    """Turn the camera of a tab on; let Live and Teach look."""
    go(page, tab)
    if tab == "live":
        page.locator("#live-toggle").click()
        expect(page.locator(".em-box").first).to_be_visible(timeout=PATIENCE)
        return None
    zone = page.locator(ZONES[tab])
    zone.locator("[data-part=camera]").click()
    page.wait_for_function(f"document.querySelector('{ZONES[tab]} video').videoWidth > 0")
    return zone


def hide(page):
    """What a browser says when its window is minimised or another one of its tabs is opened."""
    page.evaluate(
        """() => { Object.defineProperty(document, 'hidden', {value: true, configurable: true});
            document.dispatchEvent(new Event('visibilitychange')); delete document.hidden; }"""
    )


def stop(page):
    page.locator("#live-toggle, [data-part=stop]").locator("visible=true").click()


def leave(page):
    go(page, "model")


@pytest.mark.parametrize("tab", ["live", "teach", "photo"])
def test_the_camera_goes_off_and_comes_back(visit, tab):
    page = visit(script=NOTE_TRACKS)
    frames = []
    page.on(
        "request", lambda request: frames.append(1) if "data:image" in (request.post_data or "") else None
    )
    for times, end in enumerate([leave, hide, stop], start=1):
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
    turn_on(page, "photo").locator("[data-part=take]").click()
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
    for tab, zone in ZONES.items():
        go(page, tab)
        page.locator(f"{zone} [data-part=camera]").click()
        expect(page.locator(f"{zone} [role=alert]")).to_contain_text(words)
        expect(page.locator(f"{zone} [data-part=choose]")).to_be_visible()


def test_who_leaves_while_the_browser_asks_for_leave_turns_no_camera_on(visit):
    page = visit(script=NOTE_TRACKS)
    go(page, "live")
    page.evaluate("() => { window.leave = new Promise(resolve => { window.allow = resolve; }); }")
    page.locator("#live-toggle").click()
    go(page, "photo")
    page.evaluate("allow()")
    page.wait_for_function("tracks.length === 1 && tracks[0].readyState === 'ended'")
