"""Teaching a face in a real browser: camera, uploads, the answers before and after, the model taken home."""

import zipfile

import pytest

from emotion import EmotionClassifier
from tests.web.browser.actions import DESKTOP, PATIENCE, PHONE, example, open_tab, screenshot
from tests.web.test_teach import SHOWN_BY, snapshot

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (PHONE, True)], ids=["1280", "390-dark"])
def test_a_visitor_teaches_their_face_and_takes_the_model_home(visit, tmp_path, size, dark):
    page = visit(size, dark=dark)
    open_tab(page, "teach")
    page.locator("#teach-zone [data-part=camera]").click()
    page.wait_for_function("document.querySelector('#teach-zone video').videoWidth > 0")
    take = page.locator("#teach-zone [data-part=take]")
    expect(take).to_contain_text("hold for more")
    take.dispatch_event("pointerdown")
    expect(take).to_contain_text("× 2", timeout=PATIENCE)
    take.dispatch_event("pointerup")
    expect(page.locator("#teach-taken img").nth(1)).to_be_visible(timeout=PATIENCE)
    while page.locator("#teach-taken img").count():
        left = page.locator("#teach-taken img").count()
        page.locator("#teach-taken button").first.click()
        expect(page.locator("#teach-taken img")).to_have_count(left - 1, timeout=PATIENCE)

    for count, name in enumerate(SHOWN_BY, start=1):
        files = [tmp_path / f"{name}{number}.jpg" for number in range(5)]
        for number, file in enumerate(files):
            file.write_bytes(snapshot(name, number))
        page.locator("#teach-shown").get_by_text(name, exact=True).click()
        page.locator("#teach-zone [data-part=file]").set_input_files(files)
        expect(page.locator("#teach-taken img")).to_have_count(5 * count, timeout=PATIENCE)
    page.locator("#teach-it").click()
    expect(page.locator("#teach-result")).to_contain_text("95% interval", timeout=PATIENCE)
    page.locator("#teach-fresh [data-part=camera]").click()
    # One camera at a time.
    expect(page.locator("#teach-zone [data-part=camera]")).to_be_visible()
    page.wait_for_function("document.querySelector('#teach-fresh video').videoWidth > 0")
    page.locator("#teach-fresh [data-part=take]").click()
    expect(page.locator("#teach-compared .em-card")).to_have_count(2, timeout=PATIENCE)
    page.locator("#teach-fresh [data-part=file]").set_input_files(example("happy"))
    for title, card in zip(("Before", "After"), page.locator("#teach-compared .em-card").all(), strict=True):
        expect(card.locator("> span").first).to_have_text(f"{title} happy", timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    screenshot(page, f"teach-answer-{size[0]}")

    page.locator("#teach-pack").click()
    with page.expect_download() as download:
        page.locator("#teach-link a").click()
    zipfile.ZipFile(download.value.path()).extractall(tmp_path)
    home = EmotionClassifier.from_pretrained(tmp_path / "taught-model")
    assert home.labels == ("angry", "happy", "sad")
    page.locator("#teach-use").click()
    expect(page.locator("#title")).to_contain_text("taught by you", timeout=PATIENCE)
    # Gradio draws a tab when it is opened.
    open_tab(page, "live")
    expect(page.locator("#live-where")).to_contain_text("runs on the server", timeout=PATIENCE)
