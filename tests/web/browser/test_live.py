"""The Live tab of the app in a real browser: on the device, or with the server's answers."""

import signal

import pytest

from tests.app_process import running_app
from tests.web.browser.actions import (
    PATIENCE,
    PHONE,
    answer,
    go,
    screenshot,
    see_faces,
    show_window,
    start_live,
)

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.slow

BOXES = ".em-box"
WHERE = "#live-where"


def note_requests(page):
    """Return the list of all that the page asks for from now on."""
    asked = []
    page.on("request", lambda request: asked.append(request))
    return asked


def pictures_in(asked):
    return [request for request in asked if "data:image" in (request.post_data or "")]


def test_live_needs_no_server_and_one_moment_is_sent_to_photo(visit, app):
    page = visit()
    go(page, "live")
    expect(page.locator(WHERE)).to_have_text(
        "On this device: no picture leaves your browser.", timeout=PATIENCE
    )
    asked = note_requests(page)
    app.process.send_signal(signal.SIGSTOP)
    try:
        page.locator("#live-toggle").click()
        see_faces(page)
        assert page.locator("#live-chart polyline").count() >= 3
        screenshot(page, "live-1280")
        assert [request.url for request in asked if request.method == "POST"] == []
    finally:
        app.process.send_signal(signal.SIGCONT)
    expect(page.locator("#live-toggle")).to_have_text("Stop")

    page.locator("#live-moment").click()
    assert "This face" in answer(page)
    expect(page.get_by_role("tab", name="Photo")).to_have_attribute("aria-selected", "true")
    assert len(pictures_in(asked)) == 1

    go(page, "live")
    expect(page.locator("#live-toggle")).to_have_text("Start the camera")
    expect(page.locator(BOXES)).to_have_count(0)


def test_a_hidden_page_rests(visit):
    page = visit(PHONE)
    start_live(page)
    expect(page.locator(BOXES).first).to_be_visible(timeout=PATIENCE)
    screenshot(page, "live-390")
    show_window(page, hidden=True)
    expect(page.locator("#live-answers")).to_contain_text("Paused")
    assert page.evaluate("document.querySelector('#live-video').srcObject") is None
    show_window(page, hidden=False)
    expect(page.locator(BOXES).first).to_be_visible(timeout=PATIENCE)


def test_where_the_model_cannot_run_the_server_answers_and_the_page_says_so(visit, old_browser):
    page = visit(browser=old_browser)
    start_live(page)
    see_faces(page)
    expect(page.locator(WHERE)).to_contain_text("could not run on this device (WebAssembly is not defined)")
    assert page.locator("#live-chart polyline").count() >= 3
    page.locator("#live-toggle").click()
    expect(page.locator(BOXES)).to_have_count(0)
    asked = note_requests(page)
    page.wait_for_timeout(1000)
    assert pictures_in(asked) == []


def test_an_engine_that_does_not_start_in_time_is_waited_for_no_longer(visit):
    page = visit()
    held = []
    page.route("**/model/engine.json", lambda route: held.append(route))
    start_live(page)
    expect(page.locator(WHERE)).to_contain_text("did not start within 8 seconds", timeout=PATIENCE)
    expect(page.locator(BOXES).first).to_be_visible(timeout=PATIENCE)
    for route in held:
        route.abort()


def test_an_engine_that_stops_is_replaced_at_once(visit):
    page = visit(
        script="Worker.prototype.postMessage = new Proxy(Worker.prototype.postMessage, { apply:"
        " (post, worker, [request, given]) => request.task === 'follow' && window.crash"
        " ? worker.onerror({message: 'out of memory'}) : post.call(worker, request, given) })"
    )
    start_live(page)
    expect(page.locator(BOXES).first).to_be_visible(timeout=PATIENCE)
    asked = note_requests(page)
    page.evaluate("window.crash = true")
    expect(page.locator(WHERE)).to_contain_text("(out of memory), so the server answers", timeout=PATIENCE)
    expect(page.locator(BOXES).first).to_be_visible(timeout=PATIENCE)
    assert pictures_in(asked)


def test_the_host_can_keep_live_on_the_server(visit, tmp_path):
    with running_app(tmp_path, EMOTION_LIVE="server") as host:
        pages = [visit(url=host.url), visit(PHONE, url=host.url)]
        asked = note_requests(pages[0])
        for page in pages:
            start_live(page)
        for page in pages:
            expect(page.locator(WHERE)).to_contain_text("On the server")
            see_faces(page)
            page.context.close()
        assert not [request.url for request in asked if "/model/" in request.url]
