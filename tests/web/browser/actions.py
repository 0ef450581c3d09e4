"""What visitors do in the page, and how long they wait for it."""

import io
from pathlib import Path

from PIL import Image

from tests.app_process import EXAMPLES, ROOT

SCREENSHOTS = ROOT / "test-results" / "screenshots"
# Milliseconds, for a busy machine; nothing waits that long otherwise.
PATIENCE = 60_000
DESKTOP, PHONE = (1280, 900), (390, 844)
TABS = {
    "photo": "Photo",
    "live": "Live",
    "video": "Video file",
    "many": "Many pictures",
    "teach": "Teach it",
    "model": "Model",
}
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
# The page logs the first two about itself in every session, the third where a camera goes before it began;
# they are no errors.
HARMLESS = ("Method not implemented.", "preload", "play() request was interrupted")


def example(name: str) -> Path:
    return next(EXAMPLES.glob(f"*-{name}.*"))


def on_canvas(path: Path, shift: int = 0) -> Image.Image:
    """A camera frame, 640 × 480, that shows an example."""
    frame = Image.new("RGB", (640, 480), (110, 120, 130))
    picture = Image.open(path).convert("RGB")
    picture.thumbnail((560, 480))
    frame.paste(picture, ((640 - picture.width) // 2 + shift, (480 - picture.height) // 2))
    return frame


def go(page, tab):
    page.get_by_role("tab", name=TABS[tab], exact=True).click()


def open_tab(page, tab):
    """On a phone, tabs that do not fit are in a menu."""
    visible = page.get_by_role("tab", name=TABS[tab], exact=True).locator("visible=true")
    if visible.count() == 0:
        page.locator(".overflow-menu > button").first.click()
        page.locator(".overflow-dropdown button", has_text=TABS[tab]).click()
    else:
        visible.first.click()
    page.wait_for_timeout(300)


def upload(page, path):
    page.locator("#photo-zone [data-part=file]").set_input_files(path)


def answer(page):
    from playwright.sync_api import expect

    expect(page.locator("#verdict .em-verdict")).to_be_visible(timeout=PATIENCE)
    return page.locator("#verdict").inner_text()


def screenshot(page, name):
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def start_live(page):
    """Open the Live tab and start its camera."""
    go(page, "live")
    page.locator("#live-toggle").click()


def see_faces(page):
    """Wait until the Live tab has answered for both faces that the camera plays."""
    from playwright.sync_api import expect

    overlay = page.locator("#live-overlay")
    for word in ("happy", "angry"):
        expect(overlay).to_contain_text(word, timeout=PATIENCE)


def show_window(page, *, hidden):
    """Tell the page that its window was hidden, or is shown again."""
    page.evaluate(
        """hidden => { Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden});
            document.dispatchEvent(new Event('visibilitychange')); }""",
        hidden,
    )


def wide(page):
    """How many pixels the page is wider than its screen."""
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def drop(page, target, path):
    transfer = page.evaluate_handle(
        """([bytes, name]) => { const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], name, {type: 'image/jpeg'}));
            return transfer; }""",
        [list(path.read_bytes()), path.name],
    )
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event(target, event, {"dataTransfer": transfer})


def as_png(path):
    buffer = io.BytesIO()
    Image.open(path).save(buffer, "PNG")
    return buffer.getvalue()


def click_face(page, path, index):
    """Click the middle of a face in the shown picture."""
    from emotion import EmotionClassifier

    x, y, width, height = EmotionClassifier.from_pretrained().predict(path)[index].box
    picture, shown = Image.open(path), page.locator("#boxed img").bounding_box()
    scale = min(shown["width"] / picture.width, shown["height"] / picture.height)
    left = (shown["width"] - scale * picture.width) / 2
    top = (shown["height"] - scale * picture.height) / 2
    page.locator("#boxed img").click(
        position={"x": left + scale * (x + width / 2), "y": top + scale * (y + height / 2)}
    )
