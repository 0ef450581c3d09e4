"""Everything that speaks to the Hugging Face Hub: pulling a published model, publishing a saved folder.

Nothing here opens a network or a picture, and nothing that a repository holds is executed.
"""

import hashlib
import logging
import os
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    constants,
    get_token,
    snapshot_download,
)
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

from emotion.errors import EmotionError, ModelLoadError, PublishError

CARD_FILE = "README.md"
PUBLISHED_FILES = (
    "config.json",
    "metadata.json",
    "model.weights.h5",
    "model.tflite",
    "emotion.json",
    "report.json",
    "plots/*.png",
    CARD_FILE,
)
REQUIRED_FILE = "emotion.json"  # what makes a repository or a folder one of our models
LARGEST_MODEL = 2**30  # bytes; visitors of an app may name any repository, and its disk and memory are finite
DEFAULT_NAME = "facial-emotion"
ANSWER_SECONDS = 10  # how long the Hub may take to say which commit a revision is
TOKEN_PAGE = "https://huggingface.co/settings/tokens"
SIGN_IN = f"create a token with write access at {TOKEN_PAGE} and type `hf auth login`"

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
    cache_dir: str | os.PathLike | None = None,
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
        For private models; by default the one that `hf auth login` or HF_TOKEN left, with False none at all.
    cache_dir : path, optional
        The Hub cache; by default the one that every Hugging Face library shares.

    Raises
    ------
    ModelLoadError
        If there is no such model or revision, no permission to read it, no connection and no local copy, or
        if it is larger than `LARGEST_MODEL`, damaged on arrival or not a model of this project.
    """
    name = f"{repo_id}@{revision}" if revision else repo_id
    token = _checked_token(token, ModelLoadError)
    try:
        validate_repo_id(repo_id)
        information = HfApi(token=token).model_info(
            repo_id, revision=revision, timeout=ANSWER_SECONDS, files_metadata=True
        )
    except HFValidationError as error:
        raise ModelLoadError(f"{repo_id!r} cannot name a model on the Hub; write owner/name.") from error
    except (HTTPError, OfflineModeIsEnabled, ValueError) as error:
        if not _is_unreachable(error):
            raise ModelLoadError(_why_not_pulled(error, repo_id, revision)) from error
        return _pull_from_cache(repo_id, revision, cache_dir, name=name, reason=_reason(error))

    if REQUIRED_FILE not in {file.rfilename for file in information.siblings or ()}:
        raise ModelLoadError(
            f"{name} on the Hub holds no {REQUIRED_FILE}, so it is not a model of this project. Use one that"
            " `python train.py --push` published."
        )
    fetched = filter_repo_objects(
        information.siblings, allow_patterns=list(PUBLISHED_FILES), key=lambda file: file.rfilename
    )
    if (size := sum(file.size or 0 for file in fetched)) > LARGEST_MODEL:
        raise ModelLoadError(
            f"{name} on the Hub takes {size / 2**30:.1f} GiB, and models above {LARGEST_MODEL / 2**30:.0f} GiB are not"
            " fetched. Use a smaller one."
        )
    try:
        folder = _download(repo_id, revision, token, cache_dir)
        if _discard_damaged(folder):
            folder = _download(repo_id, revision, token, cache_dir)
    # OSError: the disk, a file of the wrong size, Xet; RuntimeError: Xet; ValueError: not the Hub's JSON.
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        if isinstance(error, HfHubHTTPError) and not _is_unreachable(error):
            raise ModelLoadError(_why_not_pulled(error, repo_id, revision)) from error
        raise ModelLoadError(
            f"The download of {name} from the Hub failed ({_reason(error)}). Check the connection and the"
            " free disk space, then try again."
        ) from error
    if damaged := _discard_damaged(folder):
        raise ModelLoadError(
            f"{', '.join(damaged)} of {name} arrived damaged twice: the content differs from the hash that"
            " the Hub announces. A proxy on the way may change files; try again over another connection."
        )
    return Snapshot(folder, folder.name, offline=folder.name != information.sha)


def publish(
    folder: str | os.PathLike,
    repo_id: str | None = None,
    *,
    private: bool = False,
    revision: str | None = None,
    tag: str | None = None,
    token: str | None = None,
    card: Callable[[str], str] | None = None,
    commit_message: str = "Publish a facial emotion model",
) -> str:
    """Publish a saved model as one commit, and create the repository and the branch where needed.

    Files that an earlier model left in the repository and that this one does not have are removed by the same
    commit, so that a revision never mixes two models. The folder is only read.

    Parameters
    ----------
    folder : path
        What `EmotionClassifier.save_pretrained` wrote; only `PUBLISHED_FILES` leave this computer.
    repo_id : str, optional
        "owner/name", or "name" for the signed-in user; by default "<user>/facial-emotion".
    private : bool
        Create the repository as private. An existing public repository is refused.
    revision : str, optional
        Branch to commit to; created from "main" if it does not exist.
    tag : str, optional
        Name to give to the commit.
    token : str, optional
        By default the one that `hf auth login` or HF_TOKEN left.
    card : callable, optional
        "owner/name" → the model card to publish in place of the folder's, so that its examples name the model.

    Returns
    -------
    str
        The address of the published model.

    Raises
    ------
    PublishError
        With the cause, what to do about it, and the command that publishes the folder later.
    """
    folder, name = Path(folder), repo_id or ""
    files = _files_to_publish(folder)
    try:
        token = _checked_token(token, PublishError)
        if not token:
            raise PublishError(f"You are not signed in to the Hub. Please {SIGN_IN} (or set HF_TOKEN).")
        api = HfApi(token=token)
        if "/" not in name:
            name = f"{api.whoami()['name']}/{name or DEFAULT_NAME}"
        _create_target(api, name, private=private, revision=revision)
        replaced = {CARD_FILE: card(name).encode()} if card else {}
        contents = {path: folder / path for path in files} | replaced
        commit = _commit_files(api, name, contents, revision=revision, message=commit_message)
        if tag:
            _tag_commit(api, name, tag, commit)
    # A model that took hours to train must not end in a traceback of whatever layer failed.
    except (Exception, KeyboardInterrupt) as error:
        command = publish_command(folder, name, private=private, revision=revision, tag=tag)
        later = f"The saved model in {folder} is untouched. To publish it later without training again:\n    {command}"
        if isinstance(error, KeyboardInterrupt):
            logger.warning("Publishing was interrupted. %s", later)
            raise
        cause = str(error) if isinstance(error, PublishError) else _why_not_published(error, name)
        raise PublishError(f"{cause}\n{later}") from error
    url = f"{constants.ENDPOINT}/{name}" + (f"/tree/{quote(revision, safe='')}" if revision else "")
    logger.info("published %d files as commit %s: %s", len(files), commit, url)
    return url


def publish_command(
    folder: str | os.PathLike,
    repo_id: str | None = None,
    *,
    private: bool = False,
    revision: str | None = None,
    tag: str | None = None,
) -> str:
    """Return the shell command that publishes a saved folder later, without training again."""
    command = ["python", "train.py", "--publish", str(folder), "--push", *([repo_id] if repo_id else [])]
    command += ["--private"] if private else []
    command += ["--revision", revision] if revision else []
    command += ["--tag", tag] if tag else []
    return shlex.join(command)


def _pull_from_cache(
    repo_id: str, revision: str | None, cache_dir: str | os.PathLike | None, *, name: str, reason: str
) -> Snapshot:
    try:
        folder = Path(
            snapshot_download(
                repo_id,
                revision=revision,
                cache_dir=cache_dir,
                allow_patterns=list(PUBLISHED_FILES),
                local_files_only=True,
            )
        )
    except LocalEntryNotFoundError as error:
        raise ModelLoadError(
            f"The Hub cannot be reached ({reason}) and this computer holds no complete copy of {name}."
            " Connect and try again, or name the folder of a saved model."
        ) from error
    if not (folder / REQUIRED_FILE).exists() or any(_damaged(folder)):
        raise ModelLoadError(
            f"The Hub cannot be reached ({reason}) and this computer's copy of {name} is damaged. Connect and"
            " try again: the damaged files are then fetched anew."
        )
    logger.warning("The Hub cannot be reached (%s); using the local copy of %s.", reason, name)
    return Snapshot(folder, folder.name, offline=True)


def _download(
    repo_id: str, revision: str | None, token: str | bool | None, cache_dir: str | os.PathLike | None
) -> Path:
    patterns = list(PUBLISHED_FILES)
    return Path(
        snapshot_download(
            repo_id, revision=revision, token=token, cache_dir=cache_dir, allow_patterns=patterns
        )
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


def _files_to_publish(folder: Path) -> list[str]:
    if not (folder / REQUIRED_FILE).is_file():
        raise PublishError(
            f"{folder} holds no saved model ({REQUIRED_FILE} is missing). Name a folder that train.py wrote."
        )
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return list(filter_repo_objects(paths, allow_patterns=list(PUBLISHED_FILES)))


def _checked_token(token: str | bool | None, problem: type[EmotionError]) -> str | bool | None:
    """Return the token to send, and refuse what could not be sent before an error message repeats it."""
    if token is False:
        return False
    token = (token or get_token() or "").strip()
    if not re.fullmatch(r"[!-~]*", token):
        raise problem(f"The Hub token holds characters that no token has. Copy it again from {TOKEN_PAGE}.")
    return token or None


def _create_target(api: HfApi, repo_id: str, *, private: bool, revision: str | None) -> None:
    validate_repo_id(repo_id)
    api.create_repo(repo_id, private=private or None, exist_ok=True)
    if private and not api.model_info(repo_id).private:
        raise PublishError(
            f"{repo_id} exists and is public, so it would not stay private. Change that at"
            f" {constants.ENDPOINT}/{repo_id}/settings or choose another name."
        )
    if revision and revision != constants.DEFAULT_REVISION:
        api.create_branch(repo_id, branch=revision, exist_ok=True)


def _commit_files(
    api: HfApi, repo_id: str, contents: dict[str, Path | bytes], *, revision: str | None, message: str
) -> str:
    """Make one commit and return its hash. `upload_folder` may make several, so it is not used here."""
    on_the_hub = filter_repo_objects(
        api.list_repo_files(repo_id, revision=revision), allow_patterns=list(PUBLISHED_FILES)
    )
    operations = [CommitOperationAdd(path, content) for path, content in contents.items()]
    operations += [CommitOperationDelete(path) for path in on_the_hub if path not in contents]
    return api.create_commit(repo_id, operations, commit_message=message, revision=revision).oid


def _tag_commit(api: HfApi, repo_id: str, tag: str, commit: str) -> None:
    try:
        api.create_tag(repo_id, tag=tag, revision=commit)
    except HfHubHTTPError as error:
        if error.response.status_code != 409:
            raise
        targets = {reference.name: reference.target_commit for reference in api.list_repo_refs(repo_id).tags}
        if targets.get(tag) != commit:
            raise PublishError(
                f"The model is published at {constants.ENDPOINT}/{repo_id}, but the tag {tag} already names"
                " another commit. Choose another tag."
            ) from error


def _is_unreachable(error: Exception) -> bool:
    """Tell whether the Hub said nothing about the model: no connection, too many requests, its own error."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code == 429 or error.response.status_code >= 500
    return True


def _reason(error: Exception) -> str:
    """Return a few words about a failed request."""
    if isinstance(error, HfHubHTTPError):
        return f"HTTP {error.response.status_code}"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    if isinstance(error, LocalEntryNotFoundError) and error.__cause__:
        return _reason(error.__cause__)
    if isinstance(error, ValueError):
        return "the answer does not come from a Hub; a login page or a proxy may stand in between"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _why_not_pulled(error: Exception, repo_id: str, revision: str | None) -> str:
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


def _why_not_published(error: Exception, repo_id: str) -> str:
    """Return the cause of a failed publication and what to do about it, never with the token in it."""
    if isinstance(error, HFValidationError):
        return (
            f"{repo_id!r} cannot be a name on the Hub. Use owner/name with letters, digits, '-', '_' and '.'."
        )
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, so nothing can be published. Unset it and publish again."
    # The client wraps what goes wrong while a large file is sent.
    if isinstance(error, RuntimeError) and isinstance(error.__cause__, HTTPError):
        error = error.__cause__
    if isinstance(error, ConnectionError):  # what Xet, the Hub's storage for large files, raises
        return (
            f"The upload broke off: {_reason(error)}. Check the network and publish again; where only plain HTTPS"
            " gets through, set HF_HUB_DISABLE_XET=1 first."
        )
    if not isinstance(error, HTTPError):
        return f"Publishing failed ({type(error).__name__}: {error})."
    if not isinstance(error, HfHubHTTPError):
        return (
            f"The connection to the Hub ({constants.ENDPOINT}) failed or broke off: {_reason(error)}."
            " Check the network and publish again; what was sent completely is not sent twice."
        )
    status = error.response.status_code
    said = error.server_message or "no reason given"
    if status == 401:
        return (
            f"The Hub does not accept the token (wrong, expired or revoked). Please {SIGN_IN}; HF_TOKEN, when"
            " set, comes first."
        )
    if status == 403:
        return (
            f"The token may not write to {repo_id} (the Hub says: {said}). Check the owner's name, or"
            f" {SIGN_IN}."
        )
    if status == 404:
        return f"{repo_id} is not on the Hub any more, or not for you (the Hub says: {said}). Check its name."
    if status in (409, 412):
        return f"Someone else is changing {repo_id} at the same time (the Hub says: {said}). Publish again."
    if status == 429:
        seconds = error.response.headers.get("Retry-After")
        wait = f"{seconds} seconds" if seconds else "a few minutes"
        return f"The Hub limits the number of requests for now. Wait {wait} and publish again."
    if status >= 500:
        return (
            f"The Hub has a problem of its own (HTTP {status}). See https://status.huggingface.co, wait and"
            " publish again."
        )
    return f"The Hub refuses the upload (HTTP {status}: {said})."
