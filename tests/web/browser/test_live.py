"""The Live tab in a real browser."""

import re

import pytest

from tests.web.browser.actions import PATIENCE, PHONE, answer, go, screenshot, start_camera

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.slow


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
    expect(page.locator("#camera").get_by_text("Click to Access Webcam")).to_be_visible()
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
