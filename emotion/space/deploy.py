"""Create or update the Space that serves a model, in one commit, and wait until it runs."""

from __future__ import annotations

import hashlib
import json
import logging
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    ModelInfo,
    SpaceInfo,
    SpaceRuntime,
    constants,
    hf_hub_url,
)
from huggingface_hub.errors import HfHubHTTPError, HTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import validate_repo_id

from emotion.errors import PublishError
from emotion.model.classifier import FACES
from emotion.model.description import CARD_FILE, DESCRIPTION_FILE, LITERT_FILE
from emotion.model.publish import full_name, published_card, signed_in, why_not_published
from emotion.model.pull import DEFAULT_NAME, is_unreachable
from emotion.program import COMMAND, MODEL_VARIABLE, REFRESH_VARIABLE
from emotion.report.metadata import link_space, split_card
from emotion.space.files import merged_card, space_card, space_files, static_files
from emotion.space.kinds import ABOUT, Kind, create, kind_of

# In the Space: the SHA-256 of each deployed file, so that only those are replaced or removed.
MANIFEST = ".deployed.json"
# How often a new Space looks for a new commit of its owner's model.
REFRESH_MINUTES = "10"
logger = logging.getLogger(__name__)
# A sleeping Space wakes when it is visited.
READY = ("RUNNING", "SLEEPING")
# Failures that the log of the build explains, not that of the app.
BUILD_FAILED = ("BUILD_ERROR", "CONFIG_ERROR", "NO_APP_FILE")
LOG_LINES = 30


@dataclass(frozen=True)
class Deployment:
    """The result of deploying: addresses, the Space's newest commit, and what is left to do."""

    model_url: str
    space_url: str
    space: str
    commit: str
    changed: bool
    notes: tuple[str, ...]


class Wishes(TypedDict, total=False):
    """What is asked for beside names: the model's branch, tag or commit, and how to create a new Space.

    `hardware` is by default the free one, `kind` the first that the account may have; a Space that is there
    keeps its own.
    """

    revision: str | None
    private: bool
    hardware: str | None
    kind: Kind | None


def deploy(model: str = "", space: str = "", **wishes: Unpack[Wishes]) -> Deployment:
    """Put the app on the Hub as a Space that serves a model; a second time, change only what changed.

    `model` is "owner/name", or "name" for the signed-in user, by default "<user>/facial-emotion"; `space` is
    by default "<user>/" and the name of the model. A PublishError names the cause and the command that
    deploys later.
    """
    named, place, revision = space, "spaces/", wishes.get("revision")
    try:
        api = signed_in()
        model = full_name(api, model)
        space = full_name(api, space or model.split("/")[-1])
        named = space
        validate_repo_id(model)
        validate_repo_id(space)
        reference = f"{model}@{revision}" if revision else model
        is_private = _check_model(api, model, revision)
        info, found = _find_or_create(api, space, reference, wishes)
        notes = _notes(model, found, is_private=is_private) + _switched(api, info, model)
        if found is Kind.STATIC:
            # The page shows the model's card and revision, which linking changes.
            notes += _link_back(api, model, space)
        thumbnail = None if is_private else _thumbnail(api, model, revision)
        card = space_card(model, revision=revision, kind=found, thumbnail=thumbnail)
        if found is Kind.STATIC:
            commit = _commit(api, info, card, static_files(reference))
        else:
            commit = _commit(api, info, card, space_files(zerogpu=found is Kind.ZEROGPU))
            _set_model(api, space, reference)
        named, place = model, ""
        notes += _link_back(api, model, space)
    # Any error of any library, as for publishing.
    except (Exception, KeyboardInterrupt) as error:
        later = f"To deploy later:\n    {deploy_command(model, space, **wishes)}"
        if isinstance(error, KeyboardInterrupt):
            logger.warning("Deploying was interrupted. %s", later)
            raise
        cause = str(error) if isinstance(error, PublishError) else why_not_published(error, named, kind=place)
        raise PublishError(f"{cause}\n{later}") from error
    return Deployment(
        model_url=f"{constants.ENDPOINT}/{model}",
        space_url=f"{constants.ENDPOINT}/spaces/{space}",
        space=space,
        commit=commit,
        changed=commit != info.sha,
        notes=tuple(notes),
    )


def deploy_command(model: str, space: str, **wishes: Unpack[Wishes]) -> str:
    """Return the shell command that deploys a published model."""
    revision, hardware, kind = wishes.get("revision"), wishes.get("hardware"), wishes.get("kind")
    reference = f"{model or DEFAULT_NAME}@{revision}" if revision else model or DEFAULT_NAME
    command = [*COMMAND.split(), "deploy", "--model", reference]
    command += ["--space", space] if space else []
    command += ["--private"] if wishes.get("private") else []
    command += ["--hardware", hardware] if hardware else []
    command += ["--space-kind", kind] if kind else []
    return shlex.join(command)


def _check_model(api: HfApi, model: str, revision: str | None) -> bool:
    """Raise PublishError if a model cannot be served; return whether it is private."""
    try:
        information = api.model_info(model, revision=revision)
    except RepositoryNotFoundError as error:
        raise PublishError(
            f"There is no model {model} on the Hub that you may see. Publish it first, or name another one."
        ) from error
    except RevisionNotFoundError as error:
        raise PublishError(
            f"{model} has no branch, tag or commit {revision!r}. Name one that it has, or none for main."
        ) from error
    held = _paths(information)
    if DESCRIPTION_FILE not in held:
        raise PublishError(
            f"{model} holds no {DESCRIPTION_FILE}, so it is not a model of this project. Name another one."
        )
    if LITERT_FILE not in held:
        raise PublishError(
            f"{model} holds no {LITERT_FILE}, and a Space has no TensorFlow. Load the model where TensorFlow"
            " is installed, save it and publish it again."
        )
    return bool(information.private)


def _notes(model: str, kind: Kind, *, is_private: bool) -> list[str]:
    """Return what a Space of a kind lacks, and what it needs for a private model."""
    notes = [ABOUT[kind]] if kind in ABOUT else []
    if is_private and kind is Kind.STATIC:
        notes.append(f"{model} is private, but everyone who may see the Space can download it from there.")
    elif is_private:
        notes.append(
            f"{model} is private: give the Space a token that may read it, as the secret HF_TOKEN in its"
            " settings."
        )
    return notes


def _switched(api: HfApi, info: SpaceInfo, model: str) -> list[str]:
    """Return a note where a Space served another model, whose card still says "Try it" there."""
    if MANIFEST not in _paths(info):
        return []
    models = split_card(_read(api, info, CARD_FILE).decode(errors="replace"))[0].get("models")
    earlier = [name for name in models if name != model] if isinstance(models, list) else []
    return [
        f"The Space served {name} until now, and serves {model} from now on; the card of {name} still"
        " links to it."
        for name in earlier
    ]


def _thumbnail(api: HfApi, model: str, revision: str | None) -> str | None:
    """Return the address of the model's picture of a face and its bars; None if it has none."""
    picture = next(iter(FACES))
    has_it = api.file_exists(model, picture, revision=revision)
    return hf_hub_url(model, picture, revision=revision) if has_it else None


def _find_or_create(api: HfApi, space: str, reference: str, wishes: Wishes) -> tuple[SpaceInfo, Kind]:
    """Return the Space's information and kind; create it if needed."""
    private, kind = wishes.get("private", False), wishes.get("kind")
    try:
        info = api.space_info(space)
    except RepositoryNotFoundError:
        variables = {MODEL_VARIABLE: reference}
        if space.split("/")[0] == reference.split("/")[0]:
            variables[REFRESH_VARIABLE] = REFRESH_MINUTES
        made = create(api, space, variables, kind=kind, private=private, hardware=wishes.get("hardware"))
        return api.space_info(space), made
    if private and not info.private:
        raise PublishError(
            f"The Space {space} exists and is public, so it would not stay private. Change that at"
            f" {constants.ENDPOINT}/spaces/{space}/settings or choose another name."
        )
    if MANIFEST not in _paths(info):
        return info, kind or Kind.GRADIO
    found = kind_of(_manifest(_read(api, info, MANIFEST)).keys())
    if kind and kind is not found:
        raise PublishError(
            f"The Space {space} is of the kind {found}, and keeps it. Name another one with --space, or"
            f" delete it at {constants.ENDPOINT}/spaces/{space}/settings."
        )
    return info, found


def _commit(api: HfApi, info: SpaceInfo, card: str, files: dict[str, Path | bytes]) -> str:
    """Commit the files that differ, and return the newest commit."""
    present = _paths(info)
    deployed = _manifest(_read(api, info, MANIFEST)) if MANIFEST in present else {}
    if taken := sorted((present & files.keys()) - deployed.keys() - {CARD_FILE}):
        raise PublishError(
            f"{info.id} holds something else: its {', '.join(taken[:3])} did not come from here. Name another"
            " Space with --space, or delete these files there."
        )
    theirs = _read(api, info, CARD_FILE) if CARD_FILE in present else None
    edited = theirs is not None and _sha256(theirs) != deployed.get(CARD_FILE, _sha256(theirs))
    merged = merged_card(card, theirs.decode(errors="replace") if theirs else None, edited=edited).encode()
    manifest = {path: _sha256(content) for path, content in files.items()}
    manifest[CARD_FILE] = deployed[CARD_FILE] if edited else _sha256(merged)
    contents = files | {CARD_FILE: merged, MANIFEST: json.dumps(manifest, indent=1, sort_keys=True).encode()}
    operations = [CommitOperationAdd(path, content) for path, content in contents.items()]
    operations += [
        CommitOperationDelete(path)
        for path, digest in deployed.items()
        # Files that were changed in the Space since then stay.
        if path in present and path not in contents and _sha256(_read(api, info, path)) == digest
    ]
    return api.create_commit(
        info.id,
        operations,
        repo_type="space",
        commit_message="Deploy the facial emotion app",
        # The Hub rejects the commit if another one was made meanwhile.
        parent_commit=info.sha,
    ).oid


def _manifest(content: bytes) -> dict[str, str]:
    """Return the SHA-256 of the files that were deployed earlier; nothing if the list is damaged."""
    try:
        listed = json.loads(content)
    except ValueError:
        return {}
    return {str(path): str(digest) for path, digest in listed.items()} if isinstance(listed, dict) else {}


def _paths(info: SpaceInfo | ModelInfo) -> set[str]:
    return {file.rfilename for file in info.siblings or ()}


def _read(api: HfApi, info: SpaceInfo, path: str) -> bytes:
    """Return a file of a Space at the commit that the information is about."""
    return Path(api.hf_hub_download(info.id, path, repo_type="space", revision=info.sha)).read_bytes()


def _set_model(api: HfApi, space: str, reference: str) -> None:
    """Name the model to a Space that names another one: a change restarts it."""
    present = api.get_space_variables(space).get(MODEL_VARIABLE)
    if present is None or present.value != reference:
        api.add_space_variable(space, MODEL_VARIABLE, reference)


def _link_back(api: HfApi, model: str, space: str) -> list[str]:
    """Link to the Space in the model's card; return a note if that card belongs to another account."""
    card = published_card(api, model)
    linked = link_space(card, space)
    if linked == card:
        return []
    try:
        api.create_commit(
            model,
            [CommitOperationAdd(CARD_FILE, linked.encode())],
            commit_message=f"Link to the Space {space}",
        )
    except HfHubHTTPError as error:
        if error.response.status_code != 403:
            raise
        return [f"The card of {model} does not link to the Space: only its owner can change it."]
    return []


def _sha256(content: Path | bytes) -> str:
    return hashlib.sha256(content.read_bytes() if isinstance(content, Path) else content).hexdigest()


def deploy_and_print(model: str, space: str, *, wait: bool = False, **wishes: Unpack[Wishes]) -> None:
    """Deploy as `deploy` does, print the addresses and notes, and wait until the Space runs if asked to."""
    deployed = deploy(model, space, **wishes)
    print(f"Model: {deployed.model_url}")
    print(f"Space: {deployed.space_url}{'' if deployed.changed else ' (nothing to change)'}", flush=True)
    for note in deployed.notes:
        print(note)
    if wait:
        wait_until_running(deployed.space, deployed.commit)
        print("The Space runs.")


def wait_until_running(
    space: str,
    commit: str,
    *,
    poll_seconds: float = 5,
    begins_within: float = 60,
    ends_within: float = 1800,
) -> None:
    """Wait until a Space runs a commit; raise PublishError with the end of its log if it fails.

    For `begins_within` seconds, what the Hub says about an earlier commit, or about none, does not count.
    """
    api = signed_in()
    start = time.monotonic()
    logger.info("%s: building", space)
    while (passed := time.monotonic() - start) <= ends_within:
        try:
            runtime = api.wait_for_space(space, timeout=ends_within - passed, poll_interval=poll_seconds)
        except TimeoutError:
            break
        except HTTPError as error:
            if not is_unreachable(error):
                raise PublishError(why_not_published(error, space, kind="spaces/")) from error
        else:
            named = runtime.raw.get("sha")
            is_late = time.monotonic() - start > begins_within
            if named == commit or (is_late and (named is None or runtime.stage not in READY)):
                logger.info("%s: %s", space, _in_words(runtime))
                if runtime.stage in READY:
                    return
                raise PublishError(_why_not_running(api, space, runtime))
        time.sleep(poll_seconds)
    raise PublishError(
        f"The Space does not run after {ends_within / 60:.0f} minutes. Look at"
        f" {constants.ENDPOINT}/spaces/{space}?logs=build."
    )


def _why_not_running(api: HfApi, space: str, runtime: SpaceRuntime) -> str:
    """Return the stage, what the Hub says about it, and the end of the log."""
    built = runtime.stage not in BUILD_FAILED
    page = f"{constants.ENDPOINT}/spaces/{space}?logs={'container' if built else 'build'}"
    parts = [f"The Space does not run: {_in_words(runtime)}."]
    if message := runtime.raw.get("errorMessage"):
        parts.append(str(message))
    try:
        lines = "".join(api.fetch_space_logs(space, build=not built)).splitlines()[-LOG_LINES:]
    except HTTPError:
        lines: list[str] = []
    parts += ["The end of its log:", *(f"    {line}" for line in lines)] if lines else []
    return "\n".join([*parts, f"The whole log: {page}"])


def _in_words(runtime: SpaceRuntime) -> str:
    return str(runtime.stage).lower().replace("_", " ")
