"""A small Hugging Face Hub on loopback for the real `huggingface_hub` client, and the `hub` fixture.

It keeps git-like repositories in memory and fails on request: `refuse`, `cut`, `corrupt`, `shorten`,
`stall`, `drip`, `overflow`, `change_header`, `impersonate`. It has no Xet.
"""

import base64
import contextlib
import hashlib
import json
import os
import re
import secrets
import socket
import threading
import time
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
import yaml
from huggingface_hub import constants
from huggingface_hub.utils import close_session, disable_progress_bars, enable_progress_bars

WRITE_TOKEN = "hf_write_token_of_the_test_user"
READ_TOKEN = "hf_read_only_token_of_the_test_user"
OTHER_TOKEN = "hf_write_token_of_somebody_else"

LFS_SUFFIXES = (".h5", ".keras", ".tflite", ".zip")  # as in the Hub's default .gitattributes
GIT_ATTRIBUTES = "".join(
    f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES
).encode()
DRIP_SECONDS = 0.05
# What the Hub puts into a new Space.
SPACE_CARD = b"""---
title: Faces
emoji: \xf0\x9f\x8f\xa2
colorFrom: green
colorTo: yellow
sdk: gradio
sdk_version: 5.0.0
app_file: app.py
pinned: false
---

Check out the configuration reference at https://huggingface.co/docs/hub/spaces-config-reference
"""
DATE = "2026-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class Account:
    """Who a token belongs to, the organisations they may write to, and what the token allows."""

    name: str
    role: str = "write"
    organisations: tuple[str, ...] = ()

    def may_read(self, repository: "Repository") -> bool:
        return repository.namespace in (self.name, *self.organisations)

    def may_write(self, namespace: str) -> bool:
        return self.role == "write" and namespace in (self.name, *self.organisations)


@dataclass(frozen=True)
class Commit:
    """One state of a repository: `files` maps paths to object ids (git SHA-1, or SHA-256 for large files)."""

    sha: str
    message: str
    parent: "Commit | None"
    files: Mapping[str, str]


@dataclass
class Repository:
    """Branches and tags by name, each pointing at a commit."""

    id: str
    type: str
    private: bool
    gated: bool = False
    branches: dict[str, Commit] = field(default_factory=dict)
    tags: dict[str, Commit] = field(default_factory=dict)
    # Of a Space: its variables, and what its runtime says, one after the other; the last one stays.
    variables: dict[str, str] = field(default_factory=dict)
    runtimes: list[dict] = field(default_factory=list)
    logs: dict[str, list[str]] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        return self.id.split("/")[0]

    def history(self, branch: str = "main") -> list[Commit]:
        """Return the commits of a branch, newest first."""
        commits, commit = [], self.branches[branch]
        while commit is not None:
            commits.append(commit)
            commit = commit.parent
        return commits

    def find(self, revision: str) -> Commit:
        """Return the commit that a branch, a tag or a (shortened) commit hash names."""
        for references in (self.branches, self.tags):
            if revision in references:
                return references[revision]
        everything = [commit for branch in self.branches for commit in self.history(branch)]
        for commit in [*everything, *self.tags.values()]:
            if len(revision) >= 7 and commit.sha.startswith(revision):
                return commit
        raise Refused(404, f"Invalid rev id: {revision}", code="RevisionNotFound")


@dataclass(frozen=True)
class Request:
    """What the client asked for; `path` is decoded and has no query."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class Response:
    """What the server answers; a fault may change it before it is sent."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    send_only: int | None = None  # cut the connection after this many bytes
    stalled: bool = False  # send it only when the Hub is healed or stopped
    drips: bool = False  # send a byte now and then
    endless: bool = False  # send more than was asked for, until nobody listens


class Refused(Exception):
    """An answer that is not a success, in the Hub's own form."""

    def __init__(self, status: int, message: str, *, code: str | None = None, **body: object):
        super().__init__(message)
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self.response = json_response({"error": message, **body}, status=status, headers=headers)


@dataclass
class Fault:
    """Something that goes wrong for the next `times` requests whose "METHOD /path" matches `pattern`."""

    pattern: str
    times: float
    before: Callable[[], None] | None = None
    after: Callable[[Response], None] | None = None


class HubServer:
    """The Hub: accounts, repositories, stored objects, the log of requests, and the faults to come.

    Use it as a context manager; `url` is its endpoint and `environment` makes a subprocess talk to it. The
    client's token and cache are in the folder `home`; nobody is signed in at first (see `sign_in`).
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
        self._server = _Server(("127.0.0.1", 0), _handler_for(self))
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
        """A whole environment for a subprocess, without the settings of whoever runs the tests."""
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
        stored = {
            path: self.store(content, large=_is_large(path, content)) for path, content in files.items()
        }
        parent = repository.branches[branch]
        repository.branches[branch] = _commit({**parent.files, **stored}, "Add files", parent)
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
                response = _Exchange(self, request, query, body).response()
            except Refused as refusal:
                response = refusal.response
            for fault in faults:
                if fault.after:
                    fault.after(response)
            return response

    def create(self, repo_id: str, repo_type: str, *, private: bool, gated: bool = False) -> Repository:
        repository = Repository(repo_id, repo_type, private=private, gated=gated)
        first = {".gitattributes": self.store(GIT_ATTRIBUTES, large=False)}
        repository.branches["main"] = _commit(first, "initial commit", None)
        self.repositories[repo_type, repo_id] = repository
        return repository

    def store(self, content: bytes, *, large: bool) -> str:
        oid = hashlib.sha256(content).hexdigest() if large else git_hash(content)
        self.objects[oid] = content
        return oid


class _Exchange:
    """One request being answered: finds the route, checks the token, and does what is asked."""

    def __init__(self, hub: HubServer, request: Request, query: Mapping[str, list[str]], body: bytes):
        self.hub, self.request, self.query, self.body = hub, request, query, body
        self.repository: Repository | None = None

    def response(self) -> Response:
        for method, pattern, action in _ROUTES:
            match = re.fullmatch(pattern, self.request.path)
            if match and method == self.request.method:
                return action(self, **{name: value for name, value in match.groupdict().items() if value})
        raise Refused(404, f"The test Hub has no {self.request.method} {self.request.path}")

    # Accounts

    def account(self) -> Account | None:
        header = self.request.headers.get("authorization")
        if header is None:
            return None
        account = self.hub.accounts.get(header.removeprefix("Bearer "))
        if account is None:
            raise Refused(401, "Invalid credentials in Authorization header")
        return account

    def writer(self, namespace: str) -> Account:
        account = self.account()
        if account is None:
            raise Refused(401, "Invalid username or password.")
        if not account.may_write(namespace):
            raise Refused(403, f'You don\'t have the rights to write under the namespace "{namespace}"')
        return account

    def who_am_i(self) -> Response:
        account = self.account()
        if account is None:
            raise Refused(401, "Invalid username or password.")
        organisations = [{"type": "org", "name": name} for name in account.organisations]
        access = {"type": "access_token", "accessToken": {"displayName": "test", "role": account.role}}
        return json_response({"type": "user", "name": account.name, "orgs": organisations, "auth": access})

    # Repositories

    def find_repository(self, kind: str | None, repo_id: str, *, write: bool = False) -> Repository:
        account = self.account()
        repository = self.hub.repositories.get(((kind or "models").removesuffix("s"), repo_id))
        hidden = repository and repository.private and not (account and account.may_read(repository))
        if repository is None or hidden:
            status, message = (
                (404, "Repository not found") if account else (401, "Invalid username or password.")
            )
            raise Refused(status, message, code="RepoNotFound")
        if write:
            self.writer(repository.namespace)
        return repository

    def create_repository(self) -> Response:
        wanted = json.loads(self.body)
        account = self.account()
        namespace = wanted.get("organization") or (account.name if account else "")
        self.writer(namespace)
        repo_id, kind = f"{namespace}/{wanted['name']}", wanted.get("type") or "model"
        url = f"{self.hub.url}/{'' if kind == 'model' else kind + 's/'}{repo_id}"
        if (kind, repo_id) in self.hub.repositories:
            raise Refused(409, f"You already created this {kind} repo: {repo_id}", url=url)
        repository = self.hub.create(repo_id, kind, private=wanted.get("visibility") == "private")
        if kind == "space":
            repository.variables = {item["key"]: item["value"] for item in wanted.get("variables") or ()}
            self.hub.add_commit(repository, {"README.md": SPACE_CARD})
        return json_response({"url": url, "name": repo_id})

    def information(self, repo_id: str, kind: str, revision: str = "main") -> Response:
        repository = self.find_repository(kind, repo_id)
        commit = repository.find(unquote(revision))
        siblings = [{"rfilename": path} for path in commit.files]
        if self.query.get("blobs") == ["true"]:
            for sibling, content in zip(siblings, commit.files.values(), strict=True):
                sibling["size"] = self.hub.announced_sizes.get(
                    sibling["rfilename"], len(self.hub.objects[content])
                )
        return json_response(
            {
                "id": repo_id,
                "author": repository.namespace,
                "sha": commit.sha,
                "private": repository.private,
                "gated": "manual" if repository.gated else False,
                "lastModified": DATE,
                "createdAt": DATE,
                "downloads": 0,
                "likes": 0,
                "tags": [],
                "siblings": siblings,
            }
        )

    def references(self, repo_id: str, kind: str) -> Response:
        repository = self.find_repository(kind, repo_id)

        def listed(references: dict[str, Commit], folder: str) -> list[dict]:
            return [
                {"name": name, "ref": f"refs/{folder}/{name}", "targetCommit": commit.sha}
                for name, commit in references.items()
            ]

        branches, tags = listed(repository.branches, "heads"), listed(repository.tags, "tags")
        return json_response({"branches": branches, "tags": tags, "converts": []})

    def commits(self, repo_id: str, kind: str, revision: str) -> Response:
        commit, listed = self.find_repository(kind, repo_id).find(unquote(revision)), []
        while commit is not None:
            authors = [{"user": self.hub.user}]
            title = commit.message
            listed.append({"id": commit.sha, "title": title, "message": "", "date": DATE, "authors": authors})
            commit = commit.parent
        return json_response(listed)

    def create_branch(self, repo_id: str, kind: str, name: str) -> Response:
        repository, name = self.find_repository(kind, repo_id, write=True), unquote(name)
        if name in repository.branches:
            raise Refused(409, f"Reference already exists: refs/heads/{name}")
        start = json.loads(self.body or b"{}").get("startingPoint", "main")
        repository.branches[name] = repository.find(start)
        return json_response({})

    def create_tag(self, repo_id: str, kind: str, revision: str) -> Response:
        repository, name = self.find_repository(kind, repo_id, write=True), json.loads(self.body)["tag"]
        if name in repository.tags:
            raise Refused(409, f"Tag reference exists already: refs/tags/{name}")
        repository.tags[name] = repository.find(unquote(revision))
        return json_response({})

    def tree(self, repo_id: str, kind: str, revision: str, folder: str = "") -> Response:
        repository, folder = self.find_repository(kind, repo_id), unquote(folder)
        self.check_gate(repository)
        commit = repository.find(unquote(revision))
        entries = self.tree_entries(commit, folder, recursive=self.query.get("recursive") == ["true"])
        start, size = int(self.query.get("cursor", ["0"])[0]), self.hub.page_size
        response = json_response(entries[start : start + size])
        if start + size < len(entries):
            path = "/".join(quote(unquote(part), safe="") for part in self.request.path.split("/"))
            recursive = self.query.get("recursive", ["false"])[0]
            link = f"{self.hub.url}{path}?recursive={recursive}&cursor={start + size}"
            response.headers["Link"] = f'<{link}>; rel="next"'
        return response

    def tree_entries(self, commit: Commit, folder: str, *, recursive: bool) -> list[dict]:
        prefix = f"{folder}/" if folder else ""
        paths = [path for path in commit.files if path.startswith(prefix)]
        if folder and not paths:
            raise Refused(404, f"{folder} does not exist", code="EntryNotFound")
        folders = {
            "/".join(path.split("/")[:depth])
            for path in paths
            for depth in range(prefix.count("/") + 1, path.count("/") + 1)
        }
        entries = [
            {"type": "directory", "oid": git_hash(name.encode()), "size": 0, "path": name} for name in folders
        ]
        entries += [self.file_entry(path, commit.files[path]) for path in paths]
        depth = prefix.count("/")
        chosen = [entry for entry in entries if recursive or entry["path"].count("/") == depth]
        return sorted(chosen, key=lambda entry: entry["path"])

    def file_entry(self, path: str, oid: str) -> dict:
        size = len(self.hub.objects[oid])
        entry = {"type": "file", "oid": oid, "size": size, "path": path}
        if len(oid) == 64:
            pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n".encode()
            lfs = {"oid": oid, "size": size, "pointerSize": len(pointer)}
            entry |= {"oid": git_hash(pointer), "lfs": lfs}
        return entry

    def paths_information(self, repo_id: str, kind: str, revision: str) -> Response:
        commit = self.find_repository(kind, repo_id).find(unquote(revision))
        is_json = "json" in self.request.headers.get("content-type", "")
        paths = json.loads(self.body)["paths"] if is_json else parse_qs(self.body.decode())["paths"]
        return json_response(
            [self.file_entry(path, commit.files[path]) for path in paths if path in commit.files]
        )

    # Uploading

    def validate_yaml(self) -> Response:
        wanted = json.loads(self.body)
        check = space_card_problems if wanted.get("repoType") == "space" else card_problems
        problems = check(wanted["content"])
        errors = [{"message": problem} for problem in problems]
        return json_response({"errors": errors, "warnings": []}, status=400 if errors else 200)

    def preupload(self, repo_id: str, kind: str, revision: str) -> Response:
        commit = self.find_repository(kind, repo_id, write=True).find(unquote(revision))
        files = []
        for wanted in json.loads(self.body)["files"]:
            large = _is_large(wanted["path"], base64.b64decode(wanted["sample"]))
            mode = "lfs" if large else "regular"
            oid = commit.files.get(wanted["path"])
            files.append({"path": wanted["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return json_response({"files": files})

    def lfs_batch(self, repo_id: str, kind: str | None = None) -> Response:
        self.find_repository(kind, repo_id, write=True)
        objects = []
        for wanted in json.loads(self.body)["objects"]:
            answer = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self.hub.objects:
                prefix = f"{kind}/" if kind else ""
                upload = f"{self.hub.storage_url}/storage/{wanted['oid']}?key={self.hub.key}"
                verify = f"{self.hub.url}/{prefix}{repo_id}.git/info/lfs/objects/verify"
                answer["actions"] = {"upload": {"href": upload}, "verify": {"href": verify}}
            objects.append(answer)
        return json_response({"transfer": "basic", "objects": objects})

    def lfs_verify(self, repo_id: str, kind: str | None = None) -> Response:
        self.find_repository(kind, repo_id, write=True)
        wanted = json.loads(self.body)
        if len(self.hub.objects.get(wanted["oid"], b"")) != wanted["size"]:
            raise Refused(404, "Object not found")
        return json_response({})

    def commit(self, repo_id: str, kind: str, revision: str) -> Response:
        repository, branch = self.find_repository(kind, repo_id, write=True), unquote(revision)
        if branch not in repository.branches:
            raise Refused(404, f"Invalid rev id: {branch}", code="RevisionNotFound")
        header, *operations = [json.loads(line) for line in self.body.splitlines()]
        parent = repository.branches[branch]
        if header["value"].get("parentCommit", parent.sha) != parent.sha:
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        files = dict(parent.files)
        for operation in operations:
            self.apply(operation["key"], operation["value"], files)
        if "README.md" in files and (
            problems := card_problems(self.hub.objects[files["README.md"]].decode())
        ):
            raise Refused(400, f"Invalid metadata in README.md: {problems}")
        commit = _commit(files, header["value"]["summary"], parent)
        repository.branches[branch] = commit
        url = f"{self.hub.url}/{'' if kind == 'models' else kind + '/'}{repo_id}/commit/{commit.sha}"
        return json_response({"success": True, "commitOid": commit.sha, "commitUrl": url, "hookOutput": ""})

    def apply(self, key: str, value: dict, files: dict[str, str]) -> None:
        path = value["path"]
        if key == "file":
            files[path] = self.hub.store(base64.b64decode(value["content"]), large=False)
        elif key == "lfsFile":
            if value["oid"] not in self.hub.objects:
                raise Refused(400, f"LFS pointer pointed to a file that does not exist: {path}")
            files[path] = value["oid"]
        elif key == "deletedFile":
            if path not in files:
                raise Refused(404, "A file with this name doesn't exist", code="EntryNotFound")
            del files[path]
        else:
            raise Refused(400, f"The test Hub does not know the operation {key}")

    def store(self, oid: str) -> Response:
        self.check_storage_request()
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise Refused(400, "The content does not match its hash")
        self.hub.objects[oid] = self.body
        return Response()

    # Spaces

    def variables(self, repo_id: str, kind: str) -> Response:
        repository = self.find_repository(kind, repo_id, write=True)
        if self.body:
            wanted = json.loads(self.body)
            repository.variables[wanted["key"]] = wanted["value"]
        return json_response({key: {"value": value} for key, value in repository.variables.items()})

    def runtime(self, repo_id: str, kind: str) -> Response:
        repository = self.find_repository(kind, repo_id)
        waiting = repository.runtimes
        # Without a story to tell, what was committed last runs already.
        told = waiting.pop(0) if len(waiting) > 1 else waiting[0] if waiting else {"stage": "RUNNING"}
        return json_response({"sha": repository.branches["main"].sha} | told)

    def logs(self, repo_id: str, kind: str, log: str) -> Response:
        lines = self.find_repository(kind, repo_id).logs.get(log, [])
        events = "".join(f"data: {json.dumps({'data': line, 'timestamp': DATE})}\n\n" for line in lines)
        return Response(200, events.encode(), {"Content-Type": "text/event-stream"})

    # Downloading

    def check_gate(self, repository: Repository) -> None:
        account = self.account()
        if repository.gated and not (account and account.may_read(repository)):
            message = f"Access to model {repository.id} is restricted. Ask for access on its page."
            raise Refused(403 if account else 401, message, code="GatedRepo")

    def resolve(self, repo_id: str, revision: str, path: str, kind: str | None = None) -> Response:
        repository, path = self.find_repository(kind, repo_id), unquote(path)
        self.check_gate(repository)
        commit = repository.find(unquote(revision))
        if path not in commit.files:
            raise Refused(404, "Entry not found", code="EntryNotFound")
        oid = commit.files[path]
        headers = {"X-Repo-Commit": commit.sha}
        if len(oid) == 64:
            headers["X-Linked-Etag"] = f'"{oid}"'
            headers["X-Linked-Size"] = str(len(self.hub.objects[oid]))
            headers["Location"] = f"{self.hub.storage_url}/storage/{oid}?key={self.hub.key}"
            return Response(302, headers=headers)
        return self.content(oid, headers)

    def fetch(self, oid: str) -> Response:
        self.check_storage_request()
        return self.content(oid, {})

    def check_storage_request(self) -> None:
        if self.query.get("key") != [self.hub.key]:
            raise Refused(403, "Missing signature")
        if "authorization" in self.request.headers:
            raise Refused(400, "The token was sent to the storage host")

    def content(self, oid: str, headers: dict[str, str]) -> Response:
        content = self.hub.objects[oid]
        headers = {
            "ETag": f'"{oid}"',
            "Accept-Ranges": "bytes",
            "Content-Type": "application/octet-stream",
            **headers,
        }
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.request.headers.get("range", ""))
        if not wanted:
            return Response(200, content, headers)
        start, end = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
        if start > end:
            return Response(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        return Response(206, content[start : end + 1], headers)


_REPOSITORY = r"/api/(?P<kind>models|datasets|spaces)/(?P<repo_id>[^/]+/[^/]+)"
_SPACE = r"/api/(?P<kind>spaces)/(?P<repo_id>[^/]+/[^/]+)"
_WEB = r"(?:/(?P<kind>datasets|spaces))?/(?P<repo_id>[^/]+/[^/]+?)"
_ROUTES = (
    ("GET", r"/api/whoami-v2", _Exchange.who_am_i),
    ("POST", r"/api/repos/create", _Exchange.create_repository),
    ("POST", r"/api/validate-yaml", _Exchange.validate_yaml),
    ("GET", _REPOSITORY, _Exchange.information),
    ("GET", _REPOSITORY + r"/revision/(?P<revision>[^/]+)", _Exchange.information),
    ("GET", _REPOSITORY + r"/refs", _Exchange.references),
    ("GET", _REPOSITORY + r"/commits/(?P<revision>[^/]+)", _Exchange.commits),
    ("GET", _REPOSITORY + r"/tree/(?P<revision>[^/]+)(?:/(?P<folder>.+))?", _Exchange.tree),
    ("POST", _REPOSITORY + r"/paths-info/(?P<revision>[^/]+)", _Exchange.paths_information),
    ("POST", _REPOSITORY + r"/branch/(?P<name>[^/]+)", _Exchange.create_branch),
    ("POST", _REPOSITORY + r"/tag/(?P<revision>[^/]+)", _Exchange.create_tag),
    ("POST", _REPOSITORY + r"/preupload/(?P<revision>[^/]+)", _Exchange.preupload),
    ("POST", _REPOSITORY + r"/commit/(?P<revision>[^/]+)", _Exchange.commit),
    ("GET", _SPACE + r"/variables", _Exchange.variables),
    ("POST", _SPACE + r"/variables", _Exchange.variables),
    ("GET", _SPACE + r"/runtime", _Exchange.runtime),
    ("GET", _SPACE + r"/logs/(?P<log>build|run)", _Exchange.logs),
    ("POST", _WEB + r"\.git/info/lfs/objects/batch", _Exchange.lfs_batch),
    ("POST", _WEB + r"\.git/info/lfs/objects/verify", _Exchange.lfs_verify),
    ("HEAD", _WEB + r"/resolve/(?P<revision>[^/]+)/(?P<path>.+)", _Exchange.resolve),
    ("GET", _WEB + r"/resolve/(?P<revision>[^/]+)/(?P<path>.+)", _Exchange.resolve),
    ("GET", r"/storage/(?P<oid>[0-9a-f]{64})", _Exchange.fetch),
    ("PUT", r"/storage/(?P<oid>[0-9a-f]{64})", _Exchange.store),
)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *arguments: object) -> None:
        self._connections: list[socket.socket] = []
        super().__init__(*arguments)

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def hang_up(self) -> None:
        """Close the connections that clients keep open between requests."""
        for connection in self._connections:
            with contextlib.suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)


def _handler_for(hub: HubServer) -> type[BaseHTTPRequestHandler]:  # noqa: C901
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            # Segments stay quoted for the routes: a revision may hold a slash.
            path = re.sub(r"%(?!2F)([0-9A-F]{2})", lambda match: unquote(match[0]), address.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = b"".join(self._chunks())
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._send(hub.answer(Request(self.command, path, headers), parse_qs(address.query), body))

        do_HEAD = do_POST = do_PUT = do_GET

        def _chunks(self) -> Iterator[bytes]:
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def _send(self, response: Response) -> None:
            if response.stalled:
                hub.healed.wait()
            if response.endless or response.drips:
                self._send_on_and_on(response)
                return
            self.send_response(response.status)
            for name, value in {**response.headers, "Content-Length": str(len(response.body))}.items():
                self.send_header(name, value)
            body = b"" if self.command == "HEAD" else response.body
            if response.send_only is None:
                self.end_headers()
                self.wfile.write(body)
                return
            if response.send_only:
                self.end_headers()
                self.wfile.write(body[: response.send_only])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

        def _send_on_and_on(self, response: Response) -> None:
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            part = bytes(2**16) if response.endless else b" "
            while not hub.healed.wait(0 if response.endless else DRIP_SECONDS):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.close_connection = True

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (ConnectionError, BrokenPipeError):
                self.close_connection = True  # the client went away

        def log_message(self, *_: object) -> None:
            """Requests stand in `HubServer.requests`, not on the terminal."""

    return Handler


def json_response(
    content: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response with a JSON body."""
    return Response(
        status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})}
    )


def git_hash(content: bytes) -> str:
    """Return the SHA-1 by which git knows a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def space_card_problems(card: str) -> list[str]:
    """Return what the Hub would refuse in the card of a Gradio Space."""
    metadata = yaml.safe_load(card.split("---")[1])
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    problems = [
        f'"{key}" must be one of {colours}'
        for key in ("colorFrom", "colorTo")
        if metadata.get(key) not in colours
    ]
    problems += [
        f'"{key}" must be a string'
        for key in ("title", "sdk", "sdk_version", "python_version", "app_file")
        if not isinstance(metadata.get(key, ""), str)
    ]
    if len(metadata.get("short_description", "")) > 60:
        problems.append('"short_description" length must be less than or equal to 60 characters long')
    return problems


def card_problems(card: str) -> list[str]:
    """Return what the Hub would refuse in a model card's metadata (the checks that a model can fail)."""
    match = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", card, re.DOTALL)
    if not match:
        return []
    try:
        metadata = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        return [f"not YAML: {error}"]
    if not isinstance(metadata, dict):
        return ["the metadata is not a mapping"]
    problems = []
    for entry in metadata.get("model-index") or []:
        if not entry.get("name"):
            problems.append('"model-index[].name" is required')
        for result in entry.get("results") or [{}]:
            for section, keys in {"task": ["type"], "dataset": ["name", "type"]}.items():
                missing = [key for key in keys if not (result.get(section) or {}).get(key)]
                problems += [f'"model-index[].results[].{section}.{key}" is required' for key in missing]
            for metric in result.get("metrics") or [{}]:
                missing = [key for key in ("type", "value") if metric.get(key) is None]
                problems += [f'"model-index[].results[].metrics[].{key}" is required' for key in missing]
    return problems


def _commit(files: Mapping[str, str], message: str, parent: Commit | None) -> Commit:
    identity = json.dumps([sorted(files.items()), message, parent.sha if parent else None])
    return Commit(hashlib.sha1(identity.encode()).hexdigest(), message, parent, files)


def _is_setting(name: str) -> bool:
    return name.startswith(("HF_", "HUGGING"))


def _is_large(path: str, sample: bytes) -> bool:
    return bool(sample) and (path.endswith(LFS_SUFFIXES) or b"\0" in sample[:512])


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A running Hub that the client in this process, and subprocesses with `hub.environment`, talk to.

    Nobody is signed in (see `HubServer.sign_in`), the cache is empty, and the client's retries do not wait.
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
