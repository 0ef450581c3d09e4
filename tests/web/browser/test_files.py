"""Clips, many pictures and models in a real browser."""

import pytest

from tests.web.browser.actions import PATIENCE, example, go, screenshot

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = pytest.mark.slow


def test_a_clip_comes_back_annotated_with_a_timeline_and_a_csv(visit, clip):
    page = visit()
    go(page, "video")
    expect(page.get_by_text("60 seconds")).to_be_visible()
    page.locator("#clip [data-part=file]").set_input_files(clip)
    player = page.locator("#annotated-clip video")
    expect(player).to_be_visible(timeout=PATIENCE)
    page.wait_for_function(
        "document.querySelector('#annotated-clip video').readyState >= 2", timeout=PATIENCE
    )
    assert player.evaluate("video => [video.videoWidth, video.videoHeight]") == [640, 480]
    assert player.get_attribute("src").startswith("blob:")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the clip").click()
    assert download.value.path().read_bytes()[4:8] == b"ftyp"
    expect(page.locator("#clip-chart polyline")).to_have_count(3)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the timeline").click()
    lines = download.value.path().read_text("utf-8-sig").splitlines()
    assert lines[0] == "file,time_seconds,face,x,y,width,height,label,confidence,reason,angry,happy,sad,error"
    assert len(lines) > 10
    assert all(line.startswith("clip.mp4,") and ",happy," in line for line in lines[-5:])
    screenshot(page, "video-1280")


def test_a_file_that_is_no_clip_is_explained(visit, tmp_path):
    text = tmp_path / "clip.mp4"
    text.write_text("no video")
    page = visit()
    go(page, "video")
    page.locator("#clip [data-part=file]").set_input_files(text)
    expect(page.locator("#annotated-clip")).to_contain_text("not a video that can be read", timeout=PATIENCE)


def test_many_pictures_get_a_gallery_totals_and_a_csv(visit, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_text("nothing")
    page = visit()
    go(page, "many")
    expect(page.get_by_text("50 pictures")).to_be_visible()
    files = [example("happy"), example("several-faces"), example("no-face"), broken]
    page.locator("#pictures [data-part=file]").set_input_files(files)
    expect(page.locator("#many-summary")).to_contain_text("Pictures: 3", timeout=PATIENCE)
    expect(page.locator("#many-summary")).to_contain_text("broken.png")
    expect(page.locator("#gallery img")).to_have_count(3)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the CSV").click()
    lines = download.value.path().read_text("utf-8-sig").splitlines()
    assert lines[0].startswith("file,face,x,y,width,height,label")
    assert len([line for line in lines if "several-faces" in line]) == 2
    screenshot(page, "many-1280")


def test_the_model_tab_shows_the_model_and_refuses_others_in_plain_words(visit):
    page = visit()
    go(page, "model")
    expect(page.locator("#title")).to_contain_text("embedded default")
    page.get_by_role("button", name="Model card").click()
    page.locator("#reference textarea, #reference input").fill("nobody/no-such-model@v1")
    page.get_by_role("button", name="Load it").click()
    expect(page.locator("#model-message")).to_contain_text("That did not work", timeout=PATIENCE)
    expect(page.locator("#title")).to_contain_text("embedded default")
    page.get_by_role("button", name="Back to the default").click()
    expect(page.locator("#model-message")).to_contain_text("embedded default")
    screenshot(page, "model-1280")
