"""The Photo tab in a real browser."""

import re

import pytest

from tests.web.browser.actions import PATIENCE, answer, as_png, click_face, drop, example, screenshot, upload

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.slow

BACKGROUND = "element => getComputedStyle(element).backgroundColor"


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


def test_a_photo_can_be_dropped(visit):
    page = visit()
    drop(page, "#photo button[aria-dropeffect]", example("happy"))
    assert "looks happy" in answer(page)


def test_a_photo_can_be_pasted(visit):
    page = visit()
    page.evaluate(
        """async bytes => navigator.clipboard.write([new ClipboardItem(
            {'image/png': new Blob([new Uint8Array(bytes)], {type: 'image/png'})})])""",
        list(as_png(example("happy"))),
    )
    page.locator("#photo").get_by_role("button", name="Paste from clipboard").click()
    assert "looks happy" in answer(page)


@pytest.mark.parametrize(
    ("name", "said"),
    [("happy", "looks happy"), ("not sure", "not sure"), ("angry", "looks angry"), ("sad", "looks sad")],
)
def test_the_examples_show_what_they_say(visit, name, said):
    page = visit()
    page.locator("#examples button", has=page.get_by_text(name, exact=True)).click()
    assert said in answer(page)


def test_one_of_several_faces_is_selected_by_click_by_keyboard_and_in_the_picture(visit):
    page = visit()
    page.locator("#examples button", has=page.get_by_text("several faces", exact=True)).click()
    assert "Face 1 of 2" in answer(page)
    expect(page.locator("#verdict")).to_contain_text("looks happy")
    cards = page.locator("#cards [data-face]")
    cards.nth(1).click()
    expect(page.locator("#verdict")).to_contain_text("Face 2 of")
    expect(page.locator("#verdict")).to_contain_text("not sure")
    expect(cards.nth(1)).to_have_attribute("aria-pressed", "true")
    cards.nth(0).click()
    expect(page.locator("#verdict")).to_contain_text("Face 1 of")
    cards.nth(0).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#verdict")).to_contain_text("Face 2 of")
    screenshot(page, "photo-several-1280")
    click_face(page, example("several-faces"), 0)
    expect(page.locator("#verdict")).to_contain_text("Face 1 of")


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
