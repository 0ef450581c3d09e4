"""Uploads are deleted when the request that needs them ends."""

import os

import pytest

from emotion.web.inside import uploads
from emotion.web.inside.uploads import PassUploads, deleting, make_room, sweep
from tests.web.inside.test_requests import Echo, ask

pytestmark = pytest.mark.slow


@pytest.fixture
def upload(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    path = tmp_path / "gradio" / "hash" / "picture.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"pixels")
    return path


def test_an_upload_is_deleted_with_its_folder(upload):
    with deleting(upload):
        assert upload.exists()
    assert not upload.parent.exists()


def test_an_upload_is_deleted_when_the_request_fails(upload):
    with pytest.raises(ValueError, match="broken"), deleting(upload):
        raise ValueError("broken")
    assert not upload.exists()


def test_what_nobody_asked_about_is_swept_away_and_what_is_new_stays(upload):
    new, gone = upload.with_name("new.png"), upload.with_name("gone.png")
    new.write_bytes(b"pixels")
    os.utime(upload, (0, 0))
    noted = [set(), {str(upload), str(new), str(gone)}]
    sweep(noted, seconds=600)
    assert not upload.exists()
    assert new.exists()
    assert noted == [set(), {str(new)}]


def test_files_outside_the_upload_folder_are_never_deleted(upload, tmp_path):
    mine = tmp_path / "mine.png"
    mine.write_bytes(b"pixels")
    escaping = upload.parent / ".." / ".." / "mine.png"
    with deleting(mine, str(escaping), "\0", b"bytes", None):
        pass
    assert mine.exists()


def test_all_uploads_together_have_a_limit_and_the_oldest_goes_while_another_arrives(upload, monkeypatch):
    monkeypatch.setattr(uploads, "CHECKED_EVERY", 400)
    arriving = upload.with_name("arriving.png")

    class Slow(Echo):
        async def __call__(self, scope, receive, send):
            arriving.write_bytes(b"x" * 900)
            await super().__call__(scope, receive, send)

    upload.write_bytes(b"x" * 500)
    os.utime(upload, (0, 0))
    new = upload.with_name("new.png")
    new.write_bytes(b"x" * 100)
    os.utime(new, (1, 1))
    app = PassUploads(Slow(), most=10_000, on_disk=1000)
    assert ask(app, [b"x" * 300] * 3, path="/gradio_api/upload")[0] == 200
    assert not upload.exists()
    assert (new.exists(), arriving.exists()) == (True, True)


def test_a_disk_that_is_nearly_full_keeps_the_latest_upload(upload, monkeypatch):
    monkeypatch.setattr(uploads, "LEAST_FREE", 10**18)
    os.utime(upload, (0, 0))
    new = upload.with_name("new.png")
    new.write_bytes(b"pixels")
    make_room(10**9)
    assert (upload.exists(), new.exists()) == (False, True)
