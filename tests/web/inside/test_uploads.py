"""Uploads are deleted when the last request that needs them ends."""

import os

import pytest

from emotion.web.inside.uploads import Uploads, sweep

pytestmark = pytest.mark.slow


@pytest.fixture
def upload(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    path = tmp_path / "gradio" / "hash" / "picture.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"pixels")
    return path


def test_an_upload_is_deleted_with_its_folder(upload):
    with Uploads().using(upload):
        assert upload.exists()
    assert not upload.parent.exists()


def test_an_upload_is_deleted_when_the_request_fails(upload):
    with pytest.raises(ValueError, match="broken"), Uploads().using(upload):
        raise ValueError("broken")
    assert not upload.exists()


def test_a_shared_upload_lives_until_its_last_request_ends(upload):
    uploads = Uploads()
    uploads.add([str(upload)])
    uploads.add([str(upload)])
    uploads.release(upload)
    assert upload.exists()
    uploads.release(upload)
    assert not upload.exists()


def test_nobody_deletes_a_file_that_has_just_come_again(upload):
    uploads = Uploads()
    uploads.add([str(upload)])
    with uploads.settling():
        upload.write_bytes(b"the same pixels, not noted yet")
        uploads.release(upload)
        uploads.add([str(upload)])
    assert upload.exists()
    uploads.release(upload)
    assert not upload.exists()


def test_what_was_given_up_while_another_upload_came_is_deleted_after_it(upload):
    uploads = Uploads()
    with uploads.settling():
        uploads.release(upload)
        assert upload.exists()
    assert not upload.parent.exists()


def test_who_never_came_back_keeps_no_later_upload_alive(upload):
    uploads = Uploads(seconds=0)
    uploads.add([str(upload)])
    uploads.add([str(upload)])
    uploads.release(upload)
    assert not upload.exists()


def test_parts_that_nothing_was_made_of_are_deleted(upload):
    part = upload.parent.parent / "tmpabcdefgh"
    part.write_bytes(b"half a picture")
    Uploads().delete_parts()
    assert not part.exists()
    assert upload.exists()


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
    with Uploads().using(mine, str(escaping), b"bytes", None):
        pass
    assert mine.exists()
