"""Web apps as processes of their own on loopback: starting them, visiting them, and the memory they take.

They are visited as a browser or a script does. Nothing is judged here. Memory is read from Linux's /proc.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
OURS = ROOT / "app.py"
EMPTY = ROOT / "benchmarks" / "peers" / "empty_app.py"

STARTS_WITHIN = 120  # seconds
ANSWERS_WITHIN = 300  # seconds
POLLED_EVERY = 0.02  # seconds: the first page
SAMPLED_EVERY = 0.1  # seconds: memory
HANGS_UP_AFTER = 3  # seconds of silence, before the server does at 5
API = "/gradio_api"
# The places for files, by tab.
ZONES = {"photo": "photo-zone", "clip": "clip"}


@dataclass(frozen=True)
class App:
    """A running app.

    Attributes
    ----------
    first_page
        Seconds from the start of the process to the last byte of the first page.
    log, uploads
        What it printed, and the folder that uploads go to.
    """

    port: int
    pid: int
    first_page: float
    log: Path
    uploads: Path

    def ended(self) -> bool:
        """Whether its process is gone."""
        return not resident(self.pid)

    @functools.cached_property
    def config(self) -> dict:
        """What the page tells a browser about its components and events."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/config") as response:
            return json.load(response)


@contextlib.contextmanager
def running(script: Path, *, cores: set[int] | None = None) -> Iterator[App]:
    """Start an app, wait for its page, and stop it afterwards.

    Parameters
    ----------
    cores
        Numbers of the processors that it may use; all unless named.
    """
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        settings = {
            "GRADIO_SERVER_PORT": str(port),
            "GRADIO_SERVER_NAME": "127.0.0.1",
            "GRADIO_ANALYTICS_ENABLED": "False",
            "GRADIO_TEMP_DIR": str(Path(folder, "uploads")),
            "TMPDIR": folder,
            "HF_HUB_OFFLINE": "1",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        with Path(folder, "log.txt").open("w") as log, affinity(cores):
            started = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, str(script)],
                cwd=ROOT,
                env={**os.environ, **settings},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            while not _page(port):
                if process.poll() is not None or time.perf_counter() - started > STARTS_WITHIN:
                    raise RuntimeError(
                        f"{script.name} did not start:\n{Path(folder, 'log.txt').read_text()[-2000:]}"
                    )
                time.sleep(POLLED_EVERY)
            first_page = time.perf_counter() - started
            yield App(port, process.pid, first_page, Path(folder, "log.txt"), Path(folder, "uploads"))
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass(frozen=True)
class Told:
    """How one request went: seconds until the answer, and the error instead of one."""

    seconds: float
    answer: Any = None
    error: str | None = None

    @property
    def busy(self) -> bool:
        """Whether the app said that it has too much to do right now."""
        return self.error is not None and any(
            word in self.error.lower() for word in ("busy", "queue is full")
        )


class Visitor:
    """One person with a session of their own. Not to be shared by threads."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._line = self._connection()
        self._used = time.monotonic()
        self._session = uuid.uuid4().hex[:12]

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._app.port, timeout=ANSWERS_WITHIN)

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def upload(self, picture: bytes) -> str:
        """Upload a picture; return where the app keeps it."""
        border = uuid.uuid4().hex
        head = (
            f"--{border}\r\nContent-Disposition: form-data; "
            'name="files"; filename="photo.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        )
        body = head.encode() + picture + f"\r\n--{border}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={border}"}
        return self._json("POST", f"{API}/upload", body, kind)[0]

    def classify(self, picture: bytes) -> Told:
        """Upload a picture and ask the API what it shows."""
        started = time.perf_counter()
        try:
            path = self.upload(picture)
        except (OSError, http.client.HTTPException, _RefusedError) as error:
            return Told(time.perf_counter() - started, error=_in_words(error))
        told = self.classify_uploaded(path)
        return Told(time.perf_counter() - started, told.answer, told.error)

    def classify_uploaded(self, path: str) -> Told:
        """Ask the API what an uploaded picture shows."""
        started = time.perf_counter()
        try:
            event = self._post(f"{API}/call/classify", {"data": [_file(path)]})["event_id"]
            with self._request("GET", f"{API}/call/classify/{event}") as stream:
                kind, said = "", None
                for line in stream:
                    name, _, value = line.decode().rstrip("\n").partition(": ")
                    if name == "event":
                        kind = value
                    elif name == "data" and kind in ("complete", "error"):
                        said = json.loads(value)
                        break
                stream.read()
        except (OSError, http.client.HTTPException, _RefusedError) as error:
            return Told(time.perf_counter() - started, error=_in_words(error))
        seconds = time.perf_counter() - started
        return Told(seconds, said[0]) if kind == "complete" else Told(seconds, error=json.dumps(said))

    @contextlib.contextmanager
    def page_open(self) -> Iterator[None]:
        """Hold the connection that an open page holds."""
        line = self._connection()
        try:
            line.request("GET", f"{API}/heartbeat/{self._session}")
            line.getresponse()
            yield
        finally:
            line.close()

    def begin(self, tab: str, content: bytes) -> None:
        """Add a picture to the tab "photo", or a clip to "clip", and do not wait for the answer."""
        call = self._call(ZONES[tab], "given", None)
        self._post(f"{API}/queue/join", call | {"event_data": _given(self.upload(content))})

    def show_photo(self, picture: bytes) -> Told:
        """Add a picture to the tab for one photo, as a browser does; the app remembers it for the visitor."""
        started = time.perf_counter()
        try:
            given = _given(self.upload(picture))
            with contextlib.closing(self._event(ZONES["photo"], "given", None, given)) as messages:
                for message in messages:
                    if message["msg"] == "process_completed":
                        error = None if message["success"] else json.dumps(message["output"])
                        return Told(time.perf_counter() - started, message["output"], error)
        except (OSError, http.client.HTTPException, _RefusedError) as error:
            return Told(time.perf_counter() - started, error=_in_words(error))
        return Told(time.perf_counter() - started, error="no answer")

    def film(self, frames: list[str], *, seconds: float, least_interval: float = 0.0) -> list[Frame]:
        """Have frames answered for, each after the one before, as a browser does that cannot do it itself.

        Parameters
        ----------
        frames
            JPEG data URLs.
        least_interval
            Seconds from one frame to the next, even if the app is faster.
        """
        watched: list[Frame] = []
        started = time.perf_counter()
        while time.perf_counter() - started < seconds:
            sent = time.perf_counter()
            asked = {"id": len(watched), "picture": frames[len(watched) % len(frames)]}
            with contextlib.closing(self._event("live-page", "frame", None, asked)) as messages:
                said = next(message for message in messages if message["msg"] == "process_completed")
            if not said["success"]:
                raise RuntimeError(f"A frame was not answered for: {said['output']}")
            answered = time.perf_counter() - sent
            watched.append(Frame(answered, said["output"]["duration"]))
            time.sleep(max(0.0, least_interval - answered))
        return watched

    def _event(
        self, element: str, event: str, value: dict | None, told: dict | None = None
    ) -> Iterator[dict]:
        """Trigger an event of the page, which may tell something, and yield the messages about it."""
        call = self._call(element, event, value)
        self._post(f"{API}/queue/join", call | {"event_data": told})
        line = self._connection()
        try:
            line.request("GET", f"{API}/queue/data?session_hash={self._session}")
            for row in line.getresponse():
                if row.startswith(b"data: "):
                    yield json.loads(row[len("data: ") :])
        finally:
            line.close()

    def _call(self, element: str, event: str, value: dict | None) -> dict:
        """Describe the call of an event: its first input is `value`, the others are the visitor's state."""
        config = self._app.config
        [identity] = [
            component["id"]
            for component in config["components"]
            if component["props"].get("elem_id") == element
        ]
        [handler] = [each for each in config["dependencies"] if [identity, event] in each["targets"]]
        state = [None] * (len(handler["inputs"]) - 1)
        return {
            "data": [value, *state],
            "fn_index": handler["id"],
            "session_hash": self._session,
            "trigger_id": identity,
        }

    def _post(self, path: str, body: dict) -> dict:
        return self._json("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _request(self, *request: object) -> http.client.HTTPResponse:
        if time.monotonic() - self._used > HANGS_UP_AFTER:
            self._line.close()  # the next request opens it again
        self._line.request(*request)
        response = self._line.getresponse()
        self._used = time.monotonic()
        return response

    def _json(self, method: str, path: str, body: bytes | None = None, headers: dict | None = None) -> dict:
        with self._request(method, path, body, headers or {}) as response:
            content = response.read()
        if response.status != http.client.OK:
            raise _RefusedError(f"{response.status}: {content.decode(errors='replace')[:300]}")
        return json.loads(content)


@dataclass(frozen=True)
class Frame:
    """What became of one camera frame: seconds until its answer, and seconds inside the app's function."""

    answered: float
    inside: float


@dataclass
class MemoryLog:
    """The memory of a process and all that it started, sampled while a `with` block runs.

    Attributes
    ----------
    samples
        Pairs of seconds since the beginning and MB (10⁶ bytes; memory that processes share counts once).
    """

    pid: int
    samples: list[tuple[float, float]] = field(default_factory=list)

    def __enter__(self) -> MemoryLog:
        self._started = time.perf_counter()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def peak(self) -> float:
        """Largest sample, in MB."""
        return max(megabytes for _, megabytes in self.samples)

    def mean(self, first: float, last: float) -> float:
        """Mean of the samples between two shares (0..1) of the time, in MB."""
        end = self.samples[-1][0]
        part = [megabytes for moment, megabytes in self.samples if first * end <= moment <= last * end]
        return sum(part) / len(part)

    def _sample(self) -> None:
        while True:
            megabytes = memory(self.pid)
            if megabytes:
                self.samples.append((time.perf_counter() - self._started, megabytes))
            if self._ended.wait(SAMPLED_EVERY):
                return


def memory(pid: int) -> float:
    """Return the memory of a process and all that it started, in MB; shared memory counts once."""
    return sum(_proportional(each) for each in family(pid)) / 1e6


def family(pid: int) -> list[int]:
    """Return the numbers of a process and of all that it started."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, task.read_text().split())
    return found


def resident(pid: int) -> float:
    """Return the memory that one process holds, in MB; 0 when it has ended."""
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return 0


def processor_seconds(pids: list[int]) -> float:
    """Return how long processors worked for these processes, by the system's clock."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            # The process's own time and the system's for it; a name may hold spaces, but no more brackets.
            ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _proportional(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:  # it has just ended
        pass
    return 0


class _RefusedError(Exception):
    """The app answered with an HTTP error."""


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__} {error}"


def _file(path: str) -> dict:
    return {"path": path, "orig_name": "photo.jpg", "meta": {"_type": "gradio.FileData"}}


def _given(path: str) -> dict:
    """Describe what a place for files tells of an upload."""
    return {"files": [path], "pictures": []}


def _page(port: int) -> bool:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=STARTS_WITHIN)
    try:
        line.request("GET", "/")
        response = line.getresponse()
        return response.status == http.client.OK and b"gradio" in response.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()


@contextlib.contextmanager
def affinity(cores: set[int] | None) -> Iterator[None]:
    """Let what is started meanwhile use these processors only."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
