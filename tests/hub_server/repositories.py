"""Accounts and git-like repositories, in memory."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.hub_server.messages import Refused

LFS_SUFFIXES = (".h5", ".keras", ".tflite", ".zip")  # as in the Hub's default .gitattributes
GIT_ATTRIBUTES = "".join(
    f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES
).encode()


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


def new_commit(files: Mapping[str, str], message: str, parent: Commit | None) -> Commit:
    identity = json.dumps([sorted(files.items()), message, parent.sha if parent else None])
    return Commit(hashlib.sha1(identity.encode()).hexdigest(), message, parent, files)


def git_hash(content: bytes) -> str:
    """Return the SHA-1 by which git knows a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_large(path: str, sample: bytes) -> bool:
    return bool(sample) and (path.endswith(LFS_SUFFIXES) or b"\0" in sample[:512])
