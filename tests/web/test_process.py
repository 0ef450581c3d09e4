"""The app as a person starts it: what is on the disk while it runs, and what is left after its end."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from PIL import Image

from benchmarks.apps import App, Visitor
from emotion.web.components import data_url
from tests.app_process import EXAMPLES, running_app

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="what a process has started is read from /proc"),
]

HAPPY = next(EXAMPLES.glob("*-happy.*"))
# Seconds, as SECURITY.md promises.
ENDS_WITHIN = 5
IN_A_CONTAINER = ("unshare", "--pid", "--fork", "--mount-proc")


def visitor(app):
    return Visitor(App(int(app.url.rpartition(":")[2]), app.process.pid, 0.0, app.log, app.temporary))


def running():
    """Every process that runs, with the one that started it; not those that ended and wait to be told so."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            state, parent = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                found[int(name)] = int(parent)
    return found


def children(pid):
    return {child for child, parent in running().items() if parent == pid}


def until(reached):
    """Wait until something is so; the time limit of the whole suite ends a wait for ever."""
    while not reached():
        time.sleep(0.05)


async def ask_tool(app):
    async with (
        streamable_http_client(f"{app.url}/gradio_api/mcp/") as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        return await session.call_tool(
            (await session.list_tools()).tools[0].name, {"picture": data_url(Image.open(HAPPY))}
        )


def test_a_tools_picture_is_never_written_to_the_disk(tmp_path):
    with running_app(tmp_path) as app:
        seen, answered = set(), threading.Event()

        def watch():
            while not answered.is_set():
                for folder, _, names in os.walk(app.temporary):
                    seen.update(Path(folder, name) for name in names)

        watching = threading.Thread(target=watch)
        watching.start()
        answer = asyncio.run(ask_tool(app))
        answered.set()
        watching.join()
        assert "happy" in answer.content[0].text
        assert seen == set()
        assert app.uploads.stat().st_mode & 0o777 == 0o700
        assert app.files_on_disk() == []
        app.process.terminate()
        assert app.process.wait(ENDS_WITHIN) == 0
        assert list(app.temporary.iterdir()) == []


def test_sigterm_ends_a_busy_app_with_its_children_and_uploads(tmp_path):
    clip = tmp_path / "clip.mp4"
    picture = np.asarray(Image.open(HAPPY).convert("RGB").resize((640, 480)))
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for _ in range(250):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    frame = data_url(picture)
    with running_app(tmp_path) as app:

        def watch():
            # The connection breaks when the app ends.
            with contextlib.suppress(Exception):
                visitor(app).film([frame], seconds=600)

        def ask():
            while not visitor(app).classify(HAPPY.read_bytes()).error:
                pass

        busy = [threading.Thread(target=work, daemon=True) for work in (watch, ask, ask)]
        for thread in busy:
            thread.start()
        for _ in range(4):
            visitor(app).begin("clip", clip.read_bytes())
        # A decoder for pictures, and processes of clips.
        until(lambda: len(children(app.process.pid)) >= 3)
        helpers = children(app.process.pid)
        assert any(path.is_file() for path in app.uploads.rglob("*"))
        app.process.terminate()
        assert app.process.wait(ENDS_WITHIN) == 0
        assert helpers.isdisjoint(running())
        assert list(app.temporary.iterdir()) == []
        for thread in busy:
            thread.join()


def test_what_a_thread_writes_to_the_last_moment_is_deleted_too(tmp_path):
    folder = tmp_path / "uploads"
    program = f"""
import threading
from pathlib import Path
from emotion.web.process import end_on_signals

folder = Path({str(folder)!r})
end_on_signals(folder)

def upload():
    while True:
        try:
            folder.mkdir(exist_ok=True)
            (folder / "picture").write_bytes(b"pixels")
        except OSError:
            pass

for _ in range(4):
    threading.Thread(target=upload, daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=EXAMPLES.parent, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.terminate()
        assert process.wait(30) == 0
    assert not folder.exists()


def test_the_first_process_of_a_container_ends_so(tmp_path):
    tried = [*IN_A_CONTAINER, "true"]
    if not shutil.which("unshare") or subprocess.run(tried, capture_output=True).returncode:
        pytest.skip("only root may start a process as the first of a container")
    with running_app(tmp_path, command=[*IN_A_CONTAINER, sys.executable, "app.py"]) as app:
        visitor(app).upload(HAPPY.read_bytes())
        (server,) = children(app.process.pid)
        os.kill(server, signal.SIGTERM)
        assert app.process.wait(ENDS_WITHIN) == 0
        assert list(app.temporary.iterdir()) == []


def test_the_installed_command_ends_so_and_the_folder_that_a_person_names_stays(tmp_path):
    mine = tmp_path / "mine" / "picture.jpg"
    mine.parent.mkdir()
    shutil.copyfile(HAPPY, mine)
    command = [sys.executable, "-m", "emotion.web.command"]
    with running_app(tmp_path, command=command, GRADIO_TEMP_DIR=str(mine.parent)) as app:
        path = Path(visitor(app).upload(HAPPY.read_bytes()))
        assert path.is_relative_to(mine.parent)
        assert path.parents[1].stat().st_mode & 0o777 == 0o700
        app.process.send_signal(signal.SIGINT)
        assert app.process.wait(ENDS_WITHIN) == 0
    assert list(mine.parent.iterdir()) == [mine]
