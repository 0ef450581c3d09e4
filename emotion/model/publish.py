"""Publishing a saved folder to the Hub, in one commit."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict, Unpack
from urllib.parse import quote

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
)
from huggingface_hub.utils import filter_repo_objects, validate_repo_id

from emotion.errors import TOKEN_PAGE, EmotionError, PublishError, hub_refusal, in_one_line
from emotion.model.description import CARD_FILE, DESCRIPTION_FILE
from emotion.model.pull import DEFAULT_NAME, PUBLISHED_FILES, checked_token, reason_of
from emotion.program import TRAIN_COMMAND
from emotion.report.metadata import keep_changes, link_space, linked_spaces

logger = logging.getLogger(__name__)


class Destination(TypedDict, total=False):
    """How to publish: as a private repository if it is new, to which branch, with which tag."""

    private: bool
    revision: str | None
    tag: str | None


def publish(
    folder: str | os.PathLike[str],
    repo_id: str | None = None,
    *,
    token: str | None = None,
    card: Callable[[str], str] | None = None,
    also: Sequence[str] = (),
    before_replacing: Callable[[str], None] | None = None,
    **destination: Unpack[Destination],
) -> str:
    """Publish a saved model as one commit, and create the repository and the branch where needed.

    Files of an earlier model that this one does not have are removed by the same commit, so that a revision
    never mixes two models, and only `PUBLISHED_FILES` leave this computer. `card` turns "owner/name" into the
    card to publish in place of the folder's. `before_replacing` is called with the "owner/name[@revision]" of
    a model that is there already, before anything is sent, and may raise an error to stop. A PublishError
    names the cause and the command that publishes later, with `also` among its options.
    """
    folder, name = Path(folder), repo_id or ""
    private, revision = destination.get("private", False), destination.get("revision")
    files = _files_to_publish(folder)
    try:
        api = signed_in(token)
        name = full_name(api, name)
        if before_replacing and api.file_exists(name, DESCRIPTION_FILE, revision=revision):
            before_replacing(f"{name}@{revision}" if revision else name)
        _create_target(api, name, private=private, revision=revision)
        replaced = {CARD_FILE: _with_links(api, name, card(name), revision).encode()} if card else {}
        contents = {path: folder / path for path in files} | replaced
        commit = _commit_files(api, name, contents, revision=revision)
        if tag := destination.get("tag"):
            _tag_commit(api, name, tag, commit)
    # Any error of any library: a model that took hours to train must not end in a traceback.
    except (Exception, KeyboardInterrupt) as error:
        also = [*also, *(error.also if isinstance(error, PublishError) else ())]
        command = publish_command(folder, name, also=also, **destination)
        later = (
            f"The saved model in {folder} is untouched. To publish it later without training again:\n"
            f"    {command}"
        )
        if isinstance(error, KeyboardInterrupt):
            logger.warning("Publishing was interrupted. %s", later)
            raise
        cause = str(error) if isinstance(error, EmotionError) else why_not_published(error, name)
        raise PublishError(f"{cause}\n{later}") from error
    url = f"{constants.ENDPOINT}/{name}" + (f"/tree/{quote(revision, safe='')}" if revision else "")
    logger.info("published %d files as commit %s: %s", len(files), commit, url)
    return url


def publish_command(
    folder: str | os.PathLike[str],
    repo_id: str | None = None,
    *,
    also: Sequence[str] = (),
    **destination: Unpack[Destination],
) -> str:
    """Return the shell command that publishes a saved folder later, without training again."""
    command = [*TRAIN_COMMAND.split(), "--publish", str(folder), "--push", *([repo_id] if repo_id else [])]
    for name, value in destination.items():
        command += [f"--{name}"] if value is True else [f"--{name}", str(value)] if value else []
    return shlex.join([*command, *also])


def _files_to_publish(folder: Path) -> list[str]:
    if not (folder / DESCRIPTION_FILE).is_file():
        raise PublishError(
            f"{folder} holds no saved model ({DESCRIPTION_FILE} is missing). "
            "Name the folder of a saved model."
        )
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return list(filter_repo_objects(paths, allow_patterns=list(PUBLISHED_FILES)))


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


def _with_links(api: HfApi, repo_id: str, card: str, revision: str | None) -> str:
    """Return the card with what a person changed in the published one, and its links to Spaces."""
    published = published_card(api, repo_id, revision=revision)
    card = keep_changes(card, published)
    for space in linked_spaces(published):
        card = link_space(card, space)
    return card


def _commit_files(
    api: HfApi, repo_id: str, contents: dict[str, Path | bytes], *, revision: str | None
) -> str:
    """Make one commit and return its hash; `upload_folder` may make several."""
    on_the_hub = filter_repo_objects(
        api.list_repo_files(repo_id, revision=revision), allow_patterns=list(PUBLISHED_FILES)
    )
    operations = [CommitOperationAdd(path, content) for path, content in contents.items()]
    operations += [CommitOperationDelete(path) for path in on_the_hub if path not in contents]
    message = "Publish a facial emotion model"
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


def signed_in(token: str | None = None) -> HfApi:
    """Return the Hub's client with a token; PublishError without one."""
    checked = checked_token(token, PublishError)
    if not checked:
        raise PublishError(
            f"You are not signed in to the Hub. Create a token with write access at {TOKEN_PAGE} and type"
            " `hf auth login` (or set HF_TOKEN)."
        )
    return HfApi(token=checked)


def full_name(api: HfApi, name: str | None) -> str:
    """Return "owner/name": the owner is by default the signed-in user, the name `DEFAULT_NAME`."""
    return name if name and "/" in name else f"{api.whoami()['name']}/{name or DEFAULT_NAME}"


def published_card(api: HfApi, repo_id: str, *, revision: str | None = None) -> str:
    """Return the card of a model on the Hub, or an empty text."""
    try:
        path = api.hf_hub_download(repo_id, CARD_FILE, revision=revision)
    except RemoteEntryNotFoundError:
        return ""
    return Path(path).read_text(encoding="utf-8", errors="replace")


def why_not_published(error: Exception, repo_id: str, *, kind: str = "") -> str:
    """Return why publishing failed and what to do, without the token; `kind` is "spaces/" for a Space."""
    if isinstance(error, HFValidationError):
        return (
            f"{repo_id!r} cannot be a name on the Hub. Use owner/name with letters, digits, '-', '_' and '.'."
        )
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, so nothing can be published. Unset it and publish again."
    # The client wraps errors of large uploads.
    if isinstance(error, RuntimeError) and isinstance(error.__cause__, HTTPError):
        error = error.__cause__
    # From Xet, the Hub's storage for large files.
    if isinstance(error, ConnectionError):
        return (
            f"The upload broke off: {reason_of(error)}. Check the network and publish again; where only plain"
            " HTTPS gets through, set HF_HUB_DISABLE_XET=1 first."
        )
    if not isinstance(error, HTTPError):
        return f"Publishing failed ({type(error).__name__}: {in_one_line(error)})."
    if not isinstance(error, HfHubHTTPError):
        return (
            f"The connection to the Hub ({constants.ENDPOINT}) failed or broke off: {reason_of(error)}."
            " Check the network and publish again; files that were sent completely are not sent twice."
        )
    page = f"{constants.ENDPOINT}/{kind}{repo_id}"
    return hub_refusal(error, repo_id, page=page, access="write", again="publish again")
