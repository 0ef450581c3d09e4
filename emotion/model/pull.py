"""Pulling a published model from the Hub, or from the local cache where the Hub cannot be reached.

Also what every request to the Hub shares: the files of a model, the token, and why a request failed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import (
    HfApi,
    ModelInfo,
    constants,
    get_hf_file_metadata,
    get_token,
    hf_hub_url,
    snapshot_download,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import filter_repo_objects, validate_repo_id

from emotion.errors import (
    TOKEN_PAGE,
    EmotionError,
    ModelLoadError,
    hub_refusal,
    in_one_line,
    waiting_time,
)
from emotion.model.description import CARD_FILE, DESCRIPTION_FILE, KERAS_FILES, LITERT_FILE
from emotion.program import TRAIN_COMMAND
from emotion.report.report import PLOTS_FOLDER, REPORT_FILE

# As patterns of the Hub's client: what serving needs, what is pulled, and what is published. A stranger's SVG
# is left there: it can hold a program.
SERVED_FILES = (LITERT_FILE, DESCRIPTION_FILE, REPORT_FILE, f"{PLOTS_FOLDER}/*.png", CARD_FILE)
PULLED_FILES = (*KERAS_FILES, *SERVED_FILES)
PUBLISHED_FILES = (*PULLED_FILES, f"{PLOTS_FOLDER}/*.svg")
DEFAULT_NAME = "facial-emotion"
# Bytes: visitors of an app may name any repository, and its disk and memory are finite.
LARGEST_MODEL, LARGEST_SERVED = 2**30, 80 * 2**20
# Seconds: how long the Hub may take to say which commit a revision is, and to count a download.
ANSWER_SECONDS, COUNT_SECONDS = 10, 5
CONFIG_FILE = KERAS_FILES[0]
# Errors that say nothing about a model; a ValueError means that the answer was not the Hub's JSON.
UNREACHABLE = (HTTPError, OfflineModeIsEnabled, ValueError)
DISK_ERRORS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EFBIG)
# Inside the Hub cache: models that were pulled with `token=False`. The client serves its cache without
# checking access, so a visitor's pull must never find what was fetched with a token.
WITHOUT_TOKEN = "without-token"
# Bytes for all of these models: 25 of the largest that are served.
WITHOUT_TOKEN_BYTES = 2 * 2**30
# Seconds for which a model is kept after its last pull, as another process may still be fetching it.
KEPT_SECONDS = 120

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """A published model on this computer: folder, full commit hash, and whether a newer one may exist."""

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

    Only `PULLED_FILES` are fetched, without Keras's files and at most `LARGEST_SERVED` if `serving_only`,
    and their content is compared with the Hub's hashes. With `token=False`, none is sent, and the only local
    copies are those that were fetched without a token. The Hub has `answer_seconds` to name the commit.

    Raises ModelLoadError if the model cannot be found, read, fetched or trusted; the message says what to do.
    """
    name = f"{repo_id}@{revision}" if revision else repo_id
    token = checked_token(token, ModelLoadError)
    cache = cache_for(token, cache_dir)
    patterns = list(SERVED_FILES if serving_only else PULLED_FILES)
    try:
        information = _information(repo_id, revision, token, answer_seconds)
    except UNREACHABLE as error:
        problem = f"The Hub cannot be reached ({reason_of(error)})"
        return pull_from_cache(cache, repo_id, revision, serving_only=serving_only, problem=problem)
    size = _checked_size(information, name, patterns, LARGEST_SERVED if serving_only else LARGEST_MODEL)
    commit = str(information.sha)
    is_known = isinstance(try_to_load_from_cache(repo_id, CONFIG_FILE, cache, commit), str)
    older = try_to_load_from_cache(repo_id, DESCRIPTION_FILE, cache, revision)

    def download() -> Path:
        path = snapshot_download(
            repo_id, revision=revision, token=token, cache_dir=cache, allow_patterns=patterns
        )
        return Path(path)

    try:
        if token is False:
            make_room(cache, size)
        folder = download()
        if _discard_damaged(folder):
            folder = download()
        if token is False:
            os.utime(folder.parents[1])
    # OSError: the disk, a file of the wrong size, Xet; RuntimeError: Xet; ValueError: not the Hub's JSON.
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            problem = f"The Hub cache {cache} cannot be written ({os.strerror(error.errno)})"
            # A download that breaks off may have left the branch at the newer commit.
            held = Path(older).parent.name if isinstance(older, str) else revision
            return pull_from_cache(cache, repo_id, held, serving_only=serving_only, problem=problem)
        raise ModelLoadError(_why_not_downloaded(error, repo_id, revision)) from error
    if damaged := _discard_damaged(folder):
        raise ModelLoadError(
            f"{', '.join(damaged)} of {name} arrived damaged twice: the content differs from the hash that"
            " the Hub announces. A proxy on the way may change files; try again over another connection."
        )
    if serving_only or is_known:
        _count_download(repo_id, commit, token)
    return Snapshot(folder, folder.name, offline=folder.name != commit)


def newest_commit(repo_id: str, *, revision: str | None = None) -> str:
    """Ask the Hub which commit a branch or tag ("main" by default) is at now; raises ModelLoadError."""
    try:
        token = checked_token(None, ModelLoadError)
        return str(_information(repo_id, revision, token, ANSWER_SECONDS).sha)
    except UNREACHABLE as error:
        raise ModelLoadError(f"The Hub cannot be reached ({reason_of(error)}).") from error


def _information(repo_id: str, revision: str | None, token: str | bool | None, seconds: float) -> ModelInfo:
    """Ask the Hub about a model; errors that say nothing about it are left to the caller."""
    try:
        validate_repo_id(repo_id)
        return HfApi(token=token).model_info(repo_id, revision=revision, timeout=seconds, files_metadata=True)
    except HFValidationError as error:
        raise ModelLoadError(f"{repo_id!r} cannot name a model on the Hub; write owner/name.") from error
    except HfHubHTTPError as error:
        if is_unreachable(error):
            raise
        raise ModelLoadError(_why_not_pulled(error, repo_id, revision)) from error


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


def _count_download(repo_id: str, commit: str, token: str | bool | None) -> None:
    """Ask for the headers of `config.json`, which serving does not fetch: the Hub counts downloads by it."""
    with contextlib.suppress(HTTPError, OSError, ValueError):
        url = hf_hub_url(repo_id, CONFIG_FILE, revision=commit)
        get_hf_file_metadata(url, token=token, timeout=COUNT_SECONDS)


def cache_for(token: str | bool | None, cache_dir: str | os.PathLike[str] | None) -> Path:
    """Return the Hub cache to use with a token; without one (False), a separate folder inside it."""
    cache = Path(constants.HF_HUB_CACHE if cache_dir is None else cache_dir).expanduser()
    return cache / WITHOUT_TOKEN if token is False else cache


def make_room(cache: Path, size: int) -> None:
    """Delete the least recently pulled models until `size` more bytes fit."""
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
    cache: Path, repo_id: str, revision: str | None, *, serving_only: bool, problem: str
) -> Snapshot:
    """Find a whole copy of a model in a local Hub cache, or raise ModelLoadError with the `problem`."""
    name = f"{repo_id}@{revision}" if revision else repo_id
    try:
        folder = Path(
            snapshot_download(
                repo_id,
                revision=revision,
                cache_dir=cache,
                token=False,
                allow_patterns=list(SERVED_FILES if serving_only else PULLED_FILES),
                local_files_only=True,
            )
        )
        # Where the client could not write its list of files, it does not notice that some are missing.
        held = {path.name for path in folder.iterdir()}
        if LITERT_FILE not in held and not held.issuperset(KERAS_FILES):
            raise LocalEntryNotFoundError(f"{folder} holds no network")
    except LocalEntryNotFoundError as error:
        raise ModelLoadError(
            f"{problem}, and this computer holds no complete copy of {name}. Solve that and try again, or"
            " name the folder of a saved model."
        ) from error
    if not (folder / DESCRIPTION_FILE).exists() or any(_damaged(folder)):
        raise ModelLoadError(
            f"{problem}, and this computer's copy of {name} is damaged. Solve that and try again: the damaged"
            " files are then fetched anew."
        )
    logger.warning("%s; using the local copy of %s.", problem, name)
    return Snapshot(folder, folder.name, offline=True)


def _damaged(folder: Path) -> Iterator[Path]:
    """Yield the files of a cached snapshot whose content is not what the Hub announced.

    The client checks only the size of a file that comes over plain HTTP. Its cache names every blob by the
    hash (SHA-256 of large files, git's SHA-1 of others) and links to it. Without links, or with a mirror that
    names files differently, there is nothing to compare with.
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


def _why_not_downloaded(error: Exception, repo_id: str, revision: str | None) -> str:
    if isinstance(error, HfHubHTTPError) and not is_unreachable(error):
        return _why_not_pulled(error, repo_id, revision)
    return (
        f"The download of {repo_id} from the Hub failed ({reason_of(error)}). Check the connection and the"
        " free disk space, then try again."
    )


def _why_not_pulled(error: HfHubHTTPError, repo_id: str, revision: str | None) -> str:
    page = f"{constants.ENDPOINT}/{repo_id}"
    if isinstance(error, RevisionNotFoundError):
        return (
            f"{repo_id} has no branch, tag or commit {revision!r}. See {page}/commits/main for those it has."
        )
    why = hub_refusal(error, repo_id, page=page, access="read", again="try again")
    if isinstance(error, RepositoryNotFoundError):
        why += " If you meant a folder on this computer, it does not exist."
    return why


def checked_token(token: str | bool | None, problem: type[EmotionError]) -> str | bool | None:
    """Return the token to send; reject one that no header can carry, before an error message repeats it."""
    if token is False:
        return False
    # True stands for the stored token, as in every library of the Hub.
    given = token if isinstance(token, str) else None
    token = (given or get_token() or "").strip()
    if not re.fullmatch(r"[!-~]*", token):
        raise problem(f"The Hub token holds characters that no token has. Copy it again from {TOKEN_PAGE}.")
    return token or None


def is_unreachable(error: Exception) -> bool:
    """Whether the Hub said nothing about the model: no connection, too many requests, an internal error."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code == 429 or error.response.status_code >= 500
    return True


def reason_of(error: BaseException) -> str:
    """Return a few words about a failed request."""
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        if status == 429:
            return f"HTTP 429, too many requests; wait {waiting_time(error.response.headers)}"
        return f"HTTP {status}"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    if isinstance(error, LocalEntryNotFoundError) and error.__cause__:
        return reason_of(error.__cause__)
    if isinstance(error, ValueError):
        return "the answer does not come from a Hub; a login page or a proxy may stand in between"
    return in_one_line(error) or type(error).__name__
