"""What pulling from and publishing to the Hugging Face Hub share: files, tokens, names and refusals."""

from __future__ import annotations

import re
from pathlib import Path

from huggingface_hub import HfApi, constants, get_token
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
)

from emotion.errors import TOKEN_PAGE, EmotionError, PublishError, hub_refusal, in_one_line, waiting_time
from emotion.model.description import CARD_FILE, DESCRIPTION_FILE, KERAS_FILES, NETWORK_FILES
from emotion.report.report import PLOTS_FOLDER, REPORT_FILE

# What is published and pulled, as patterns of the Hub's client; then the part that serving needs.
PUBLISHED_FILES = (*NETWORK_FILES, DESCRIPTION_FILE, REPORT_FILE, f"{PLOTS_FOLDER}/*.png", CARD_FILE)
SERVED_FILES = tuple(name for name in PUBLISHED_FILES if name not in KERAS_FILES)
DEFAULT_NAME = "facial-emotion"


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


def signed_in(token: str | None = None) -> HfApi:
    """Return the Hub's client with a token; raise PublishError if there is none."""
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
