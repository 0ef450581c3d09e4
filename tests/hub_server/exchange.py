"""What the Hub answers: one method for each route of its API that the client uses."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, unquote

from tests.hub_server.cards import card_problems, space_card_problems
from tests.hub_server.messages import Refused, Request, Response, json_response
from tests.hub_server.repositories import Account, Commit, Repository, git_hash, is_large, new_commit

if TYPE_CHECKING:
    from tests.hub_server import HubServer

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


class Exchange:
    """One request being answered: finds the route, checks the token, and does what is asked."""

    def __init__(self, hub: "HubServer", request: Request, query: Mapping[str, list[str]], body: bytes):
        self.hub, self.request, self.query, self.body = hub, request, query, body
        self.repository: Repository | None = None

    def response(self) -> Response:
        for method, pattern, action in ROUTES:
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
            large = is_large(wanted["path"], base64.b64decode(wanted["sample"]))
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
        commit = new_commit(files, header["value"]["summary"], parent)
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
ROUTES = (
    ("GET", r"/api/whoami-v2", Exchange.who_am_i),
    ("POST", r"/api/repos/create", Exchange.create_repository),
    ("POST", r"/api/validate-yaml", Exchange.validate_yaml),
    ("GET", _REPOSITORY, Exchange.information),
    ("GET", _REPOSITORY + r"/revision/(?P<revision>[^/]+)", Exchange.information),
    ("GET", _REPOSITORY + r"/refs", Exchange.references),
    ("GET", _REPOSITORY + r"/commits/(?P<revision>[^/]+)", Exchange.commits),
    ("GET", _REPOSITORY + r"/tree/(?P<revision>[^/]+)(?:/(?P<folder>.+))?", Exchange.tree),
    ("POST", _REPOSITORY + r"/paths-info/(?P<revision>[^/]+)", Exchange.paths_information),
    ("POST", _REPOSITORY + r"/branch/(?P<name>[^/]+)", Exchange.create_branch),
    ("POST", _REPOSITORY + r"/tag/(?P<revision>[^/]+)", Exchange.create_tag),
    ("POST", _REPOSITORY + r"/preupload/(?P<revision>[^/]+)", Exchange.preupload),
    ("POST", _REPOSITORY + r"/commit/(?P<revision>[^/]+)", Exchange.commit),
    ("GET", _SPACE + r"/variables", Exchange.variables),
    ("POST", _SPACE + r"/variables", Exchange.variables),
    ("GET", _SPACE + r"/runtime", Exchange.runtime),
    ("GET", _SPACE + r"/logs/(?P<log>build|run)", Exchange.logs),
    ("POST", _WEB + r"\.git/info/lfs/objects/batch", Exchange.lfs_batch),
    ("POST", _WEB + r"\.git/info/lfs/objects/verify", Exchange.lfs_verify),
    ("HEAD", _WEB + r"/resolve/(?P<revision>[^/]+)/(?P<path>.+)", Exchange.resolve),
    ("GET", _WEB + r"/resolve/(?P<revision>[^/]+)/(?P<path>.+)", Exchange.resolve),
    ("GET", r"/storage/(?P<oid>[0-9a-f]{64})", Exchange.fetch),
    ("PUT", r"/storage/(?P<oid>[0-9a-f]{64})", Exchange.store),
)
