"""The front and the rear camera of a phone, in a real browser whose cameras play example faces."""

import re

import pytest

from tests.web.browser.actions import PATIENCE, answer, go, start_camera

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


def test_live_goes_on_with_the_rear_camera_and_no_mirror(visit):
    page = visit(phone=True)
    page.evaluate(NOTE_CAMERAS)
    start_camera(page)
    expect(page.locator("#live-overlay .em-box").first).to_be_visible(timeout=PATIENCE)
    page.get_by_label("Rear camera").locator("visible=true").click()
    record = page.locator("#camera").get_by_role("button", name="capture photo")
    expect(record).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#camera video")).not_to_have_class(MIRRORED)
    expect(page.locator("#live-overlay .em-box")).to_have_count(0, timeout=PATIENCE)
    record.click()
    expect(page.locator("#live-overlay .em-box").first).to_be_visible(timeout=PATIENCE)
    # The page asks a moment after the picture is no mirror any more.
    page.wait_for_function("asked.at(-1) === 'environment'", timeout=PATIENCE)
    assert page.evaluate("asked[0]") == "user"


def test_a_computer_has_no_switch(visit):
    page = visit()
    go(page, "live")
    expect(page.locator("#camera-facing")).to_be_hidden()
