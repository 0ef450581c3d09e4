"""Pulling a published model from the Hub, or from the local cache where the Hub cannot be reached."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, ModelInfo, constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import filter_repo_objects, validate_repo_id

from emotion.errors import ModelLoadError
from emotion.model.description import DESCRIPTION_FILE
from emotion.model.hub import (
    PUBLISHED_FILES,
    SERVED_FILES,
    TOKEN_PAGE,
    checked_token,
    is_unreachable,
    reason_of,
)
from emotion.program import TRAIN_COMMAND

# Bytes: visitors of an app may name any repository, and its disk and memory are finite.
LARGEST_MODEL, LARGEST_SERVED = 2**30, 80 * 2**20
# Seconds: how long the Hub may take to say which commit a revision is.
ANSWER_SECONDS = 10
# Inside the Hub cache: models that were pulled with `token=False`. The client hands out what its cache holds
# without asking who may see it, so what a token fetched must never lie where a visitor's pull looks.
WITHOUT_TOKEN = "without-token"
# Bytes for all of these models: 25 of the largest that are served.
WITHOUT_TOKEN_BYTES = 2 * 2**30
# Seconds for which a model stays after its last pull: another process may still be fetching it.
KEPT_SECONDS = 120

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """A published model on this computer's disk.

    Attributes
    ----------
    folder : Path
        Holds the published files.
    revision : str
        The full commit hash that the files belong to.
    offline : bool
        True when the Hub could not be asked, so that a newer commit may exist.
    """

    folder: Path
    revision: str
    offline: bool


def pull(
    repo_id: str,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    serving_only: bool = False,
    answer_seconds: float = ANSWER_SECONDS,
) -> Snapshot:
    """Fetch a published model, or find it in the local Hub cache when the Hub cannot be reached.

    Only `PUBLISHED_FILES` are fetched, and their content is compared with the Hub's hashes.

    Parameters
    ----------
    repo_id : str
        "owner/name".
    revision : str, optional
        Branch, tag or commit; the branch "main" by default.
    token : str or False, optional
        For private models; by default the one that `hf auth login` or HF_TOKEN left. False sends none, and
        falls back only to files that were fetched without a token.
    cache_dir : path, optional
        The Hub cache; by default the one that every Hugging Face library shares.
    serving_only : bool
        Leave Keras's files out, and take at most `LARGEST_SERVED`.
    answer_seconds : float
        How long the Hub may take to say which commit the revision is.

    Raises
    ------
    ModelLoadError
        If there is no such model or revision, no permission to read it, no connection and no local copy, or
        if it is larger than `LARGEST_MODEL`, damaged on arrival or not a model of this project.
    """
    name = f"{repo_id}@{revision}" if revision else repo_id
    token = checked_token(token, ModelLoadError)
    cache = cache_for(token, cache_dir)
    patterns = list(SERVED_FILES if serving_only else PUBLISHED_FILES)
    try:
        validate_repo_id(repo_id)
        information = HfApi(token=token).model_info(
            repo_id, revision=revision, timeout=answer_seconds, files_metadata=True
        )
    except HFValidationError as error:
        raise ModelLoadError(f"{repo_id!r} cannot name a model on the Hub; write owner/name.") from error
    except (HTTPError, OfflineModeIsEnabled, ValueError) as error:
        if isinstance(error, HfHubHTTPError) and not is_unreachable(error):
            raise ModelLoadError(_why_not_pulled(error, repo_id, revision)) from error
        return _pull_from(cache, repo_id, revision, patterns, reason=reason_of(error))

    size = _checked_size(information, name, patterns, LARGEST_SERVED if serving_only else LARGEST_MODEL)
    try:
        if token is False:
            make_room(cache, size)
        folder = _download(repo_id, revision, token, cache, patterns)
        if _discard_damaged(folder):
            folder = _download(repo_id, revision, token, cache, patterns)
        if token is False:
            os.utime(folder.parents[1])
    # OSError: the disk, a file of the wrong size, Xet; RuntimeError: Xet; ValueError: not the Hub's JSON.
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        if isinstance(error, HfHubHTTPError) and not is_unreachable(error):
            raise ModelLoadError(_why_not_pulled(error, repo_id, revision)) from error
        raise ModelLoadError(
            f"The download of {name} from the Hub failed ({reason_of(error)}). Check the connection and the"
            " free disk space, then try again."
        ) from error
    if damaged := _discard_damaged(folder):
        raise ModelLoadError(
            f"{', '.join(damaged)} of {name} arrived damaged twice: the content differs from the hash that"
            " the Hub announces. A proxy on the way may change files; try again over another connection."
        )
    return Snapshot(folder, folder.name, offline=folder.name != information.sha)


def _checked_size(information: ModelInfo, name: str, patterns: list[str], largest: int) -> int:
    """Return how many bytes a pull fetches; reject other projects' models and too large ones."""
    files = information.siblings or []
    if DESCRIPTION_FILE not in {file.rfilename for file in files}:
        raise ModelLoadError(
            f"{name} on the Hub holds no {DESCRIPTION_FILE}, so it is not a model of this project. Use one"
            f" that `{TRAIN_COMMAND} --push` published."
        )
    fetched = filter_repo_objects(files, allow_patterns=patterns, key=lambda file: file.rfilename)
    size = sum(file.size or 0 for file in fetched)
    if size > largest:
        raise ModelLoadError(
            f"{name} on the Hub takes {size // 2**20:,} MiB, and models above {largest // 2**20:,} MiB are"
            " not fetched here. Use a smaller one."
        )
    return size


def newest_commit(repo_id: str, *, revision: str | None = None) -> str:
    """Ask the Hub which commit a branch or tag of a model is at now, "main" by default.

    Raises
    ------
    ModelLoadError
        If there is no such model or revision, no permission to read it, or no connection.
    """
    try:
        information = HfApi(token=checked_token(None, ModelLoadError)).model_info(
            repo_id, revision=revision, timeout=ANSWER_SECONDS
        )
    except (HTTPError, OfflineModeIsEnabled, ValueError) as error:
        if isinstance(error, HfHubHTTPError) and not is_unreachable(error):
            raise ModelLoadError(_why_not_pulled(error, repo_id, revision)) from error
        raise ModelLoadError(f"The Hub cannot be reached ({reason_of(error)}).") from error
    return str(information.sha)


def cache_for(token: str | bool | None, cache_dir: str | os.PathLike[str] | None) -> Path:
    """Return the Hub cache to use with a token; without one (False), a folder of its own inside it."""
    cache = Path(constants.HF_HUB_CACHE if cache_dir is None else cache_dir).expanduser()
    return cache / WITHOUT_TOKEN if token is False else cache


def make_room(cache: Path, size: int) -> None:
    """Delete the models that were not pulled for longest until `size` more bytes fit."""
    pulled = {path: path.stat().st_mtime for path in cache.glob("models--*")}
    sizes = {path: _size_on_disk(path) for path in pulled}
    for path in sorted(pulled, key=pulled.__getitem__):
        if sum(sizes.values()) + size <= WITHOUT_TOKEN_BYTES or time.time() - pulled[path] < KEPT_SECONDS:
            return
        shutil.rmtree(path, ignore_errors=True)
        del sizes[path]


def _size_on_disk(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a download in another process renames its files
            total += path.lstat().st_size
    return total


def pull_from_cache(
    repo_id: str,
    revision: str | None,
    cache_dir: str | os.PathLike[str] | None,
    *,
    token: str | bool | None,
    serving_only: bool,
    reason: str,
) -> Snapshot:
    """Find a whole copy of a model in the local Hub cache; `reason` says why the Hub does not give it.

    Raises
    ------
    ModelLoadError
        If there is none that may be read with this token.
    """
    patterns = list(SERVED_FILES if serving_only else PUBLISHED_FILES)
    return _pull_from(cache_for(token, cache_dir), repo_id, revision, patterns, reason=reason)


def _pull_from(
    cache: Path, repo_id: str, revision: str | None, patterns: list[str], *, reason: str
) -> Snapshot:
    name = f"{repo_id}@{revision}" if revision else repo_id
    try:
        folder = Path(
            snapshot_download(
                repo_id,
                revision=revision,
                cache_dir=cache,
                token=False,
                allow_patterns=patterns,
                local_files_only=True,
            )
        )
    except LocalEntryNotFoundError as error:
        raise ModelLoadError(
            f"The Hub cannot be reached ({reason}) and this computer holds no complete copy of {name}."
            " Connect and try again, or name the folder of a saved model."
        ) from error
    if not (folder / DESCRIPTION_FILE).exists() or any(_damaged(folder)):
        raise ModelLoadError(
            f"The Hub cannot be reached ({reason}) and this computer's copy of {name} is damaged. Connect and"
            " try again: the damaged files are then fetched anew."
        )
    logger.warning("The Hub cannot be reached (%s); using the local copy of %s.", reason, name)
    return Snapshot(folder, folder.name, offline=True)


def _download(
    repo_id: str,
    revision: str | None,
    token: str | bool | None,
    cache: Path,
    patterns: list[str],
) -> Path:
    return Path(
        snapshot_download(repo_id, revision=revision, token=token, cache_dir=cache, allow_patterns=patterns)
    )


def _damaged(folder: Path) -> Iterator[Path]:
    """Yield the files of a cached snapshot whose content is not what the Hub announced.

    The client checks the size of a file that comes over plain HTTP, not its hash. Its cache names every
    blob by the hash (SHA-256 of large files, git's SHA-1 of others) and links to it. Where links are
    impossible, or a mirror of the Hub names files differently, there is nothing to compare with.
    """
    for path in sorted(path for path in folder.rglob("*") if path.is_symlink()):
        expected, content = Path(os.readlink(path)).name, path.read_bytes()
        if re.fullmatch("[0-9a-f]{64}", expected):
            actual = hashlib.sha256(content).hexdigest()
        elif re.fullmatch("[0-9a-f]{40}", expected):
            actual = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        else:
            continue
        if actual != expected:
            yield path


def _discard_damaged(folder: Path) -> list[str]:
    """Remove damaged files, so that the next download fetches them, and return their names."""
    damaged = list(_damaged(folder))
    for path in damaged:
        (path.parent / os.readlink(path)).unlink()
        path.unlink()
    return [path.relative_to(folder).as_posix() for path in damaged]


def _why_not_pulled(error: HfHubHTTPError, repo_id: str, revision: str | None) -> str:
    page = f"{constants.ENDPOINT}/{repo_id}"
    if isinstance(error, RevisionNotFoundError):
        return (
            f"{repo_id} has no branch, tag or commit {revision!r}. See {page}/commits/main for those it has."
        )
    if isinstance(error, GatedRepoError):
        return f"{repo_id} is only for people its owner lets in. Ask at {page}, then type `hf auth login`."
    status = error.response.status_code
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        return (
            f"There is no model {repo_id} on the Hub that you may see. Check the name at {page}; if it is"
            " private, type `hf auth login` first. If you meant a folder on this computer, there is none of"
            " that name."
        )
    if status == 401:
        return (
            "The Hub does not accept the token (wrong, expired or revoked). Create one at"
            f" {TOKEN_PAGE} and type `hf auth login`; HF_TOKEN, when set, comes first."
        )
    if status == 403:
        return f"The token may not read {repo_id}. Give it read access to this model at {TOKEN_PAGE}."
    return (
        f"The Hub refuses to hand out {repo_id} (HTTP {status}: {error.server_message or 'no reason given'})."
    )
