"""The Photo tab in a real browser."""

import re

import pytest

from tests.web.browser.actions import (
    PATIENCE,
    answer,
    as_png,
    click_face,
    drop,
    example,
    go,
    screenshot,
    upload,
    wide,
)

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.slow

BACKGROUND = "element => getComputedStyle(element).backgroundColor"


def test_an_uploaded_photo_gets_box_bars_and_reason(visit):
    page = visit()
    upload(page, example("happy"))
    assert "looks happy" in answer(page)
    expect(page.locator("#boxed img")).to_be_visible()
    expect(page.locator("#probabilities")).to_contain_text("If it is angry, happy or sad")
    bars = page.locator("#probabilities .em-track > span")
    colours = {bar.evaluate(BACKGROUND) for bar in bars.all()}
    assert colours == {"rgb(213, 94, 0)", "rgb(0, 158, 115)", "rgb(0, 114, 178)"}
    page.locator("#why").click()
    expect(page.locator("#heat img")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#heat")).to_contain_text("What counts most for “happy”: corners of the mouth.")
    screenshot(page, "photo-answer-1280")
    page.locator("#why").click()
    expect(page.locator("#heat img")).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the picture").click()
    assert download.value.suggested_filename == "2-happy-faces.jpg"
    page.get_by_role("button", name="Another picture").click()
    expect(page.locator("#boxed img")).to_have_count(0)
    expect(page.locator("#verdict")).to_contain_text("Add a picture")
    expect(page.locator("#photo-zone [data-part=choose]")).to_be_focused()


def test_the_whole_window_takes_drops_and_pastes(visit):
    page = visit()
    drop(page, "#photo-zone .stage", example("happy"))
    assert "looks happy" in answer(page)
    # On an answer, and beside every zone, a browser would leave the page for the file.
    drop(page, "#boxed img", example("angry"))
    expect(page.locator("#verdict")).to_contain_text("looks angry", timeout=PATIENCE)
    go(page, "model")
    paste(page, f"image/png:{list(as_png(example('sad')))}")
    expect(page.locator("#verdict")).to_contain_text("looks sad", timeout=PATIENCE)
    expect(page.get_by_role("tab", name="Photo")).to_have_attribute("aria-selected", "true")
    paste(page, "text/plain:")
    expect(page.locator("#photo-zone [role=alert]")).to_contain_text("That was text")
    go(page, "many")
    drop(page, "footer", example("happy"))
    expect(page.locator("#many-summary")).to_contain_text("Faces: 1", timeout=PATIENCE)


def paste(page, what):
    page.evaluate(
        """what => { const [type, bytes] = what.split(':'); const data = new DataTransfer();
            if (bytes) data.items.add(new File([new Uint8Array(JSON.parse(bytes))], 'pasted.png', {type}));
            else data.setData(type, 'words');
            const paste = new ClipboardEvent('paste', {clipboardData: data, bubbles: true});
            document.body.dispatchEvent(paste); }""",
        what,
    )


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
    expect(page.locator("#boxed img")).to_be_visible()
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
    page.locator("#photo-zone [data-part=camera]").click()
    page.wait_for_function("document.querySelector('#photo-zone video').videoWidth > 0")
    page.locator("#photo-zone [data-part=take]").click()
    assert re.search("looks (happy|angry)", answer(page))
    expect(page.locator("#boxed img")).to_be_visible()


def test_the_page_speaks_the_browsers_language_and_the_one_that_is_chosen(visit):
    page = visit(language="de-AT")
    expect(page.get_by_role("tab", name="Viele Bilder")).to_be_visible()
    expect(page).to_have_title("Gesichtsausdruck")
    page.locator("#examples button").nth(1).click()
    expect(page.locator("#verdict")).to_contain_text("sieht fröhlich aus", timeout=PATIENCE)
    page.locator("#language").select_option("ar")
    expect(page.locator("html")).to_have_attribute("dir", "rtl", timeout=PATIENCE)
    page.locator("#examples button").nth(1).click()
    expect(page.locator("#verdict")).to_contain_text("يبدو عليه سعادة", timeout=PATIENCE)
    assert wide(page) <= 0
    assert page.locator("text=⟦").count() == 0
    screenshot(page, "photo-ar-1280")
    page.reload()
    expect(page.locator("#language")).to_have_value("ar", timeout=PATIENCE)


@pytest.mark.parametrize(("language", "says"), [("pt-BR", "alegria"), ("zh-CN", "快乐"), ("it-IT", "gioia")])
def test_a_language_that_gradio_calls_otherwise_is_spoken_as_well(visit, language, says):
    page = visit(language=language)
    upload(page, example("happy"))
    expect(page.locator("#verdict")).to_contain_text(says, timeout=PATIENCE)
    code = language.split("-")[0]
    expect(page.locator("#language")).to_have_value(code)
    expect(page.locator("html")).to_have_attribute("lang", code)


def test_arrow_keys_lead_through_the_tabs(visit):
    page = visit()
    page.get_by_role("tab", name="Photo").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Live")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("tab", name="Live")).to_be_focused()
    page.keyboard.press("End")
    expect(page.get_by_role("tab", name="Model", exact=True)).to_have_attribute("aria-selected", "true")
