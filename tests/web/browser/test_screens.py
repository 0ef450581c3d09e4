"""Every tab on a phone and a desktop, light and dark: it fits, and axe finds nothing that we could change."""

from pathlib import Path

import pytest

from tests.web.browser.actions import (
    DESKTOP,
    PATIENCE,
    PHONE,
    TABS,
    answer,
    example,
    open_tab,
    screenshot,
    upload,
    wide,
)

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.slow

# Gradio's own, which nothing outside can change: a picture in its footer is described by the word beside it.
GRADIOS = {("image-redundant-alt", "footer")}
# Elements smaller than a finger, in CSS pixels; links in a sentence may be.
SMALL_TARGETS = """() => [...document.querySelectorAll('button, select, a[href], input:not([type=file])')]
    .filter(e => e.checkVisibility() && !e.closest('footer, p:not(.buttons), #card, [aria-hidden=true]'))
    .map(e => [e, (e.matches('input') ? e.closest('label') ?? e : e).getBoundingClientRect()])
    .filter(([e, {width, height}]) => width > 0 && (width < 24 || height < 24))
    .map(([e]) => e.outerHTML.slice(0, 90))"""


@pytest.fixture(scope="module")
def axe():
    return Path(pytest.importorskip("axe_playwright_python.base").AXE_FILE_PATH).read_text("utf-8")


def findings(page, axe):
    """What axe finds in the page as it is."""
    page.evaluate(axe)
    found = page.evaluate(
        """async () => (await axe.run()).violations.flatMap(({id, nodes}) =>
            nodes.map(({target: [place], html}) => [
                id, document.querySelector(place)?.closest('footer') ? 'footer' : place,
                html.slice(0, 160)]))"""
    )
    return [each for each in found if tuple(each[:2]) not in GRADIOS]


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (PHONE, True)], ids=["1280-light", "390-dark"])
def test_every_tab_fits_its_screen_and_every_reader(visit, axe, size, dark, clip):
    page = visit(size, dark=dark, phone=size == PHONE)
    seen = []

    def look(name):
        seen.extend((name, *each) for each in findings(page, axe))
        assert wide(page) <= 0, name
        assert page.evaluate(SMALL_TARGETS) == [], name
        screenshot(page, f"{name}-{size[0]}-{'dark' if dark else 'light'}")

    for tab in TABS:
        open_tab(page, tab)
        look(tab)
    open_tab(page, "photo")
    page.locator("#examples button").first.click()
    answer(page)
    page.locator("#why").click()
    expect(page.locator("#heat img")).to_be_visible(timeout=PATIENCE)
    look("photo-answer")
    upload(page, Path(__file__))
    expect(page.locator("#verdict [role=alert]")).to_be_visible(timeout=PATIENCE)
    look("photo-problem")
    open_tab(page, "many")
    page.locator("#pictures [data-part=file]").set_input_files(
        [example("happy"), example("no-face"), __file__]
    )
    expect(page.locator("#gallery img")).to_have_count(2, timeout=PATIENCE)
    look("many-answer")
    open_tab(page, "video")
    page.locator("#clip [data-part=file]").set_input_files(clip)
    expect(page.locator("#annotated-clip video")).to_be_visible(timeout=PATIENCE)
    look("video-answer")
    assert seen == []


def test_a_phone_shows_the_verdict_without_scrolling(visit):
    page = visit(phone=True)
    upload(page, example("happy"))
    answer(page)
    screenshot(page, "photo-390")
    verdict = page.locator("#verdict").bounding_box()
    assert verdict["y"] + verdict["height"] < PHONE[1]
    expect(page.get_by_text("Drop a photo here")).to_be_hidden()


def test_forced_colours_keep_the_selected_tab_and_the_bars(visit):
    page = visit()
    upload(page, example("happy"))
    answer(page)
    page.emulate_media(forced_colors="active")
    chosen = page.get_by_role("tab", name="Photo", exact=True)
    assert chosen.evaluate("tab => getComputedStyle(tab).borderBottomWidth") == "3px"
    bar = page.locator("#probabilities .em-track > span").nth(1)
    assert bar.evaluate("bar => getComputedStyle(bar).backgroundColor") == "rgb(0, 158, 115)"


def test_nothing_moves_while_the_page_arrives(visit):
    page = visit(
        script="""window.moved = 0;
            const note = entry => { if (!entry.hadRecentInput) moved += entry.value; };
            new PerformanceObserver(list => list.getEntries().forEach(note))
                .observe({type: 'layout-shift', buffered: true});"""
    )
    page.wait_for_timeout(1000)
    assert page.evaluate("moved") < 0.1


def test_one_set_of_preview_tags_is_ours(visit):
    page = visit()
    for tag, words in (
        ("og:title", "Facial emotion"),
        ("og:description", "If the model can’t tell"),
        ("og:image", "icon-512.png"),
    ):
        found = page.locator(f'meta[property="{tag}"]')
        expect(found).to_have_count(1)
        assert words in found.get_attribute("content")
    icon = page.request.get(page.locator('meta[property="og:image"]').get_attribute("content"))
    assert icon.headers["content-type"] == "image/png"
    assert (
        page.request.get(page.locator('link[rel="manifest"]').evaluate("e => e.href")).json()["name"]
        == "Facial emotion"
    )
    assert "Gradio" not in page.locator("head").evaluate(
        "head => [...head.querySelectorAll('meta')].map(m => m.content).join()"
    )
