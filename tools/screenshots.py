"""Make the screenshots of README.md: the app as it is, in Chromium, on the examples.

python -m tools.screenshots
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.app_process import ROOT, running_app
from tests.web.browser.actions import ARGUMENTS, DESKTOP, PATIENCE, answer, example, go, on_canvas
from tests.web.browser.conftest import CHROMIUM

FOLDER = ROOT / "docs" / "screenshots"
# Pixels: pictures beside each other in README.
SMALL = 900


def main() -> int:
    """Write the pictures; return the exit status."""
    if CHROMIUM is None:
        print("There is no Chromium here. Install it, then try again.")
        return 1
    with (
        tempfile.TemporaryDirectory() as folder,
        running_app(Path(folder)) as app,
        sync_playwright() as driver,
    ):
        camera = f"--use-file-for-fake-video-capture={filmed(Path(folder) / 'faces.mjpeg')}"
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, camera])
        page = browser.new_page(
            viewport=dict(zip(("width", "height"), DESKTOP, strict=True)),
            locale="en-GB",
            permissions=["camera"],
            reduced_motion="reduce",
        )
        page.set_default_timeout(PATIENCE)
        page.goto(app.url)
        page.locator("#examples button").first.click()
        answer(page)
        shown(page).quantize(256).save(FOLDER / "photo.png", optimize=True)
        page.locator("#why").click()
        page.locator("#heat img").wait_for()
        small(shown(page)).save(FOLDER / "why.webp", quality=85)
        go(page, "live")
        page.locator("#live-toggle").click()
        page.locator("#live-chart polyline").first.wait_for(state="attached")
        page.wait_for_timeout(8000)
        small(shown(page)).save(FOLDER / "live.webp", quality=85)
        browser.close()
    return 0


def filmed(path: Path) -> Path:
    """Write what the camera sees: a happy face that moves a little."""
    with path.open("wb") as file:
        for index in range(90):
            on_canvas(example("happy"), shift=index // 6).save(file, "JPEG", quality=90)
    return path


def shown(page: Page) -> Image.Image:
    """Return what the page shows, without its footer."""
    page.wait_for_timeout(500)
    image = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    bottom = page.locator(".em-privacy").bounding_box()
    return image.crop((0, 0, image.width, int(bottom["y"] + bottom["height"]))) if bottom else image


def small(image: Image.Image) -> Image.Image:
    """Reduce a picture to the width that README shows."""
    return image.resize((SMALL, round(image.height * SMALL / image.width)), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    sys.exit(main())
