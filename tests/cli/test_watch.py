"""A camera without a page: streams over HTTP, clips, and what cannot be opened, with the embedded model."""

import contextlib
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from emotion import EmotionClassifier, EmotionTracker
from emotion.cli import main
from tests.app_process import EXAMPLES
from tests.video.clips import encode, people

pytestmark = pytest.mark.slow

HAPPY = next(EXAMPLES.glob("*-happy.jpg"))


def film(count):
    """A happy face that glides to the right."""
    smile = np.asarray(Image.open(HAPPY).convert("RGB").resize((320, 320)))
    return people(count, (smile, 40, 6))


@contextmanager
def stream(*, times=None):
    """The address of a network camera, 25 JPEGs a second over HTTP: the film some times, or without end."""
    pictures = []
    for frame in film(40):
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "JPEG", quality=90)
        pictures.append(file.getvalue())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            rounds = itertools.count() if times is None else range(times)
            with contextlib.suppress(OSError):  # until the other side has gone
                for picture in itertools.chain.from_iterable(pictures for _ in rounds):
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                    self.wfile.write(head.encode() + picture + b"\r\n")
                    time.sleep(0.04)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/camera"
    finally:
        server.shutdown()
        server.server_close()


def lines_of(output):
    return [json.loads(line) for line in output.splitlines()]


def test_a_stream_gives_a_line_for_every_face_and_frame_until_it_breaks_off(capsys):
    with stream(times=1) as address:
        assert main(["watch", address, "--rate", "8"]) == 2
    output, messages = capsys.readouterr()
    assert messages.startswith("error: The stream broke off")
    lines = lines_of(output)
    assert len(lines) > 1
    assert {(line["face"], line["label"]) for line in lines} == {(1, "happy")}
    assert set(lines[0]) == {"time", "face", "box", "label", "confidence", "reason", "probabilities"}
    times = [line["time"] for line in lines]
    assert times == sorted(times)
    # The box follows the face.
    assert lines[-1]["box"][0] > lines[0]["box"][0]


def test_a_clip_is_watched_to_its_end(capsys, tmp_path):
    clip = encode(tmp_path / "smile.mp4", film(15))
    assert main(["watch", str(clip), "--rate", "5"]) == 0
    lines = lines_of(capsys.readouterr().out)
    assert [line["time"] for line in lines] == pytest.approx([0, 0.2, 0.4], abs=0.04)


def test_ctrl_c_ends_it_without_a_word():
    with stream() as address:
        watching = subprocess.Popen(
            [sys.executable, "-m", "emotion", "watch", address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        first = watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        output, messages = watching.communicate(timeout=60)
    assert json.loads(first)["label"] == "happy"
    assert (watching.returncode, messages) == (0, "")
    lines_of(output)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("77", "Could not open camera 77"),
        ("http://user:secret@127.0.0.1:9/camera", "Could not open the stream: Connection refused"),
        ("rtsp://user:secret@127.0.0.1:9/camera", "Could not open the stream: Connection refused"),
        ("absent.mp4", "neither a camera's number, an address nor a file"),
    ],
)
def test_what_cannot_be_opened_is_said_without_passwords(source, message, capsys):
    assert main(["watch", source]) == 2
    output, messages = capsys.readouterr()
    assert output == ""
    assert messages.startswith("error: ")
    assert message in messages
    assert "secret" not in messages
    assert len(messages.splitlines()) == 1


def test_without_a_screen_a_window_is_refused(capsys, monkeypatch, tmp_path):
    if sys.platform != "linux":
        pytest.skip("only Linux runs without a screen")
    monkeypatch.delenv("DISPLAY", raising=False)
    clip = encode(tmp_path / "smile.mp4", film(3))
    assert main(["watch", str(clip), "--show"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert "--show" in message


def test_frames_of_ones_own_are_followed():
    tracker = EmotionTracker(EmotionClassifier.from_pretrained(), timeout=0.5)
    frames = list(film(4))
    for index, frame in enumerate(frames):
        (face,) = tracker.update(frame, time=index / 10)
    assert (face.id, face.label) == (1, "happy")
    assert face.probabilities["happy"] > 0.9
    assert len({moment.time for moment in tracker.timeline.moments}) > 1
    assert tracker.update(np.zeros_like(frames[0]), time=2.0) == ()
