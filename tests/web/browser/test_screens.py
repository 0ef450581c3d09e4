"""Every tab on a phone and a desktop, light and dark."""

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
)

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.slow


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


def test_every_picture_has_an_alternative_text_and_every_button_a_name(visit):
    page = visit()
    upload(page, example("several-faces"))
    answer(page)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('button, a[href], input:not([type=file]), textarea')]
            .filter(e => e.offsetParent && !(e.innerText.trim() || e.ariaLabel || e.title || e.labels?.length
                || e.getAttribute('aria-labelledby') || e.querySelector('[aria-label]')
                || e.querySelector('img[alt]:not([alt=""])')))
            .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert unnamed == []
    silent = page.evaluate(
        """() => [...document.querySelectorAll('img')].filter(e => e.offsetParent && !e.hasAttribute('alt'))
            .map(e => e.outerHTML.slice(0, 120))"""
    )
    assert silent == []
    assert "numbered box" in page.locator("#boxed img").get_attribute("alt")
