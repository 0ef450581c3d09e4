"""A small Hugging Face Hub on loopback for the real `huggingface_hub` client, and the `hub` fixture.

It keeps git-like repositories in memory and fails on request: `refuse`, `cut`, `corrupt`, `shorten`,
`stall`, `drip`, `overflow`, `change_header`, `impersonate`. It has no Xet.
"""

import hashlib
import os
import re
import secrets
import threading
import time
import types
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import close_session, disable_progress_bars, enable_progress_bars

from tests.hub_server.exchange import Exchange
from tests.hub_server.listener import Listener, handler_for
from tests.hub_server.messages import Fault, Refused, Request, Response
from tests.hub_server.repositories import (
    GIT_ATTRIBUTES,
    Account,
    Commit,
    Repository,
    git_hash,
    is_large,
    new_commit,
)

__all__ = ["OTHER_TOKEN", "READ_TOKEN", "WRITE_TOKEN", "Account", "HubServer", "Repository"]

WRITE_TOKEN = "hf_write_token_of_the_test_user"
READ_TOKEN = "hf_read_only_token_of_the_test_user"
OTHER_TOKEN = "hf_write_token_of_somebody_else"


class HubServer:
    """The Hub: accounts, repositories, stored objects, the log of requests, and the faults to come.

    Use it as a context manager; `url` is its endpoint and `environment` makes a subprocess talk to it. The
    client's token and cache are in the folder `home`; no account is signed in at first (see `sign_in`).
    """

    user = "user"
    page_size = 5  # entries of a tree per page, small so that paging happens

    def __init__(self, home: Path) -> None:
        self.home = home
        self.accounts = {
            WRITE_TOKEN: Account("user", organisations=("laboratory",)),
            READ_TOKEN: Account("user", role="read", organisations=("laboratory",)),
            OTHER_TOKEN: Account("somebody"),
        }
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.announced_sizes: dict[str, int] = {}  # of files that are said to be larger than they are
        self.requests: list[Request] = []
        self.waits: list[float] = []  # seconds the client in this process wanted to wait, see the fixture
        self.key = secrets.token_hex(8)  # stands for the signature of a storage address
        self.lock = threading.RLock()
        self.healed = threading.Event()
        self._faults: list[Fault] = []
        self._server = Listener(("127.0.0.1", 0), handler_for(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        # Large files come from another host, as on the real Hub: the client must not send its token there.
        self.storage_url = f"http://localhost:{self._server.server_port}"

    def __enter__(self) -> "HubServer":
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening: from now on there is no network, as far as a client can tell."""
        self.healed.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables that point the client here."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(self.home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    @property
    def environment(self) -> dict[str, str]:
        """A whole environment for a subprocess, without the settings of the person who runs the tests."""
        return {name: value for name, value in os.environ.items() if not _is_setting(name)} | self.settings

    # What a test prepares and looks at

    def add_repository(
        self,
        repo_id: str,
        files: Mapping[str, bytes] | Path,
        *,
        repo_type: str = "model",
        private: bool = False,
        gated: bool = False,
    ) -> Repository:
        """Create a repository that holds `files` (a mapping, or a folder on disk)."""
        if isinstance(files, Path):
            paths = sorted(path for path in files.rglob("*") if path.is_file())
            files = {path.relative_to(files).as_posix(): path.read_bytes() for path in paths}
        repository = self.create(repo_id, repo_type, private=private, gated=gated)
        self.add_commit(repository, files)
        return repository

    def add_commit(
        self, repository: Repository, files: Mapping[str, bytes], *, branch: str = "main"
    ) -> Commit:
        """Commit more files to a branch."""
        stored = {path: self.store(content, large=is_large(path, content)) for path, content in files.items()}
        parent = repository.branches[branch]
        repository.branches[branch] = new_commit({**parent.files, **stored}, "Add files", parent)
        return repository.branches[branch]

    def repository(self, repo_id: str, repo_type: str = "model") -> Repository:
        """Return a repository of this Hub."""
        return self.repositories[repo_type, repo_id]

    def files(self, repo_id: str, revision: str = "main", *, repo_type: str = "model") -> dict[str, bytes]:
        """Return the content of every file at a revision."""
        files = self.repositories[repo_type, repo_id].find(revision).files
        return {path: self.objects[oid] for path, oid in files.items()}

    def sign_in(self, token: str = WRITE_TOKEN) -> None:
        """Leave the token where `hf auth login` would."""
        (self.home / "token").write_text(token)

    def asked(self, pattern: str) -> list[Request]:
        """Return the requests so far whose "METHOD /path" matches."""
        return [
            request for request in self.requests if re.search(pattern, f"{request.method} {request.path}")
        ]

    # What goes wrong

    def refuse(
        self, pattern: str, status: int, message: str = "", *, times: float = float("inf"), **headers: str
    ) -> None:
        """Answer with an error instead; underscores in header names stand for hyphens (`Retry_After="1"`)."""

        def before() -> None:
            refusal = Refused(status, message or f"Refused with {status} by the test")
            refusal.response.headers.update(
                {name.replace("_", "-"): value for name, value in headers.items()}
            )
            raise refusal

        self._faults.append(Fault(pattern, times, before=before))

    def cut(self, pattern: str, *, after: int = 0, times: float = float("inf")) -> None:
        """Cut the connection when `after` bytes of the answer's body are sent."""
        self._faults.append(
            Fault(pattern, times, after=lambda response: setattr(response, "send_only", after))
        )

    def corrupt(self, pattern: str, *, times: float = float("inf")) -> None:
        """Send other bytes of the same number."""

        def after(response: Response) -> None:
            response.body = bytes(255 - byte for byte in response.body)

        self._faults.append(Fault(pattern, times, after=after))

    def shorten(self, pattern: str, *, times: float = float("inf")) -> None:
        """Send (and announce) half of the file."""

        def after(response: Response) -> None:
            response.body = response.body[: len(response.body) // 2]

        self._faults.append(Fault(pattern, times, after=after))

    def stall(self, pattern: str) -> None:
        """Hold the answer back."""
        self.healed.clear()
        self._faults.append(
            Fault(pattern, float("inf"), after=lambda response: setattr(response, "stalled", True))
        )

    def drip(self, pattern: str) -> None:
        """Send the body byte by byte, so slowly that it never arrives whole."""
        self.healed.clear()
        self._faults.append(
            Fault(pattern, float("inf"), after=lambda response: setattr(response, "drips", True))
        )

    def overflow(self, pattern: str) -> None:
        """Send a body that has no end."""
        self.healed.clear()
        self._faults.append(
            Fault(pattern, float("inf"), after=lambda response: setattr(response, "endless", True))
        )

    def change_header(self, pattern: str, name: str, value: str) -> None:
        """Send another value of a header."""
        self._faults.append(
            Fault(pattern, float("inf"), after=lambda response: response.headers.update({name: value}))
        )

    def impersonate(self, pattern: str) -> None:
        """Answer with a web page instead, as the login page of a hotel's network does."""

        def after(response: Response) -> None:
            page = b"<html>Please sign in to use this network</html>"
            response.status, response.body, response.headers = 200, page, {"Content-Type": "text/html"}

        self._faults.append(Fault(pattern, float("inf"), after=after))

    def heal(self) -> None:
        """Forget every fault, and send what was held back."""
        self._faults.clear()
        self.healed.set()

    # The rest is between the request handler and this object

    def answer(self, request: Request, query: Mapping[str, list[str]], body: bytes) -> Response:
        """Return the response for a request, faults included."""
        with self.lock:
            self.requests.append(request)
            line = f"{request.method} {request.path}"
            faults = [fault for fault in self._faults if fault.times > 0 and re.search(fault.pattern, line)]
            try:
                for fault in faults:
                    fault.times -= 1
                    if fault.before:
                        fault.before()
                response = Exchange(self, request, query, body).response()
            except Refused as refusal:
                response = refusal.response
            for fault in faults:
                if fault.after:
                    fault.after(response)
            return response

    def create(self, repo_id: str, repo_type: str, *, private: bool, gated: bool = False) -> Repository:
        repository = Repository(repo_id, repo_type, private=private, gated=gated)
        first = {".gitattributes": self.store(GIT_ATTRIBUTES, large=False)}
        repository.branches["main"] = new_commit(first, "initial commit", None)
        self.repositories[repo_type, repo_id] = repository
        return repository

    def store(self, content: bytes, *, large: bool) -> str:
        oid = hashlib.sha256(content).hexdigest() if large else git_hash(content)
        self.objects[oid] = content
        return oid


def _is_setting(name: str) -> bool:
    return name.startswith(("HF_", "HUGGING"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A running Hub that the client in this process, and subprocesses with `hub.environment`, talk to.

    It starts without a signed-in account (see `HubServer.sign_in`) and an empty cache; retries do not wait.
    """
    home = tmp_path / "hub_home"
    home.mkdir()
    with HubServer(home) as server:
        for name in filter(_is_setting, list(os.environ)):
            monkeypatch.delenv(name)
        for name, value in server.settings.items():
            monkeypatch.setenv(name, value)
        # The client read its settings when it was imported, so this process needs them put in place.
        for name, value in {
            "ENDPOINT": server.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HOME": str(home),
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_TOKEN_PATH": str(home / "token"),
            "HF_STORED_TOKENS_PATH": str(home / "stored_tokens"),
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_DISABLE_TELEMETRY": True,
        }.items():
            monkeypatch.setattr(constants, name, value)
        _shorten_waits(server, monkeypatch)
        close_session()
        disable_progress_bars()
        yield server
        enable_progress_bars()
        close_session()


def _shorten_waits(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the client's own retries run without waiting; what it wanted to wait stands in `server.waits`."""
    clock = types.SimpleNamespace(**vars(time))
    clock.sleep = server.waits.append
    for module in ("huggingface_hub.utils._http", "huggingface_hub.file_download"):
        monkeypatch.setattr(f"{module}.time", clock)
