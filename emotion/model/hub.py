"""What pulling from and publishing to the Hugging Face Hub share. No code of a repository is run."""

from __future__ import annotations

import re
from pathlib import Path

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
)

from emotion.errors import EmotionError, PublishError
from emotion.model.description import CARD_FILE, DESCRIPTION_FILE, KERAS_FILES, NETWORK_FILES
from emotion.report.report import PLOTS_FOLDER, REPORT_FILE

# What leaves this computer and what is fetched, as patterns of the Hub's client.
PUBLISHED_FILES = (*NETWORK_FILES, DESCRIPTION_FILE, REPORT_FILE, f"{PLOTS_FOLDER}/*.png", CARD_FILE)
DEFAULT_NAME = "facial-emotion"
# What LiteRT needs, and what tells about the model: all that is fetched for a visitor.
SERVED_FILES = tuple(name for name in PUBLISHED_FILES if name not in KERAS_FILES)
TOKEN_PAGE = "https://huggingface.co/settings/tokens"
SIGN_IN = f"create a token with write access at {TOKEN_PAGE} and type `hf auth login`"


def checked_token(token: str | bool | None, problem: type[EmotionError]) -> str | bool | None:
    """Return the token to send, and refuse what could not be sent before an error message repeats it."""
    if token is False:
        return False
    # True stands for the one that `hf auth login` left, as for every library of the Hub.
    given = token if isinstance(token, str) else None
    token = (given or get_token() or "").strip()
    if not re.fullmatch(r"[!-~]*", token):
        raise problem(f"The Hub token holds characters that no token has. Copy it again from {TOKEN_PAGE}.")
    return token or None


def signed_in(token: str | None = None) -> HfApi:
    """Return the Hub's client for whoever is signed in, and refuse without anybody."""
    checked = checked_token(token, PublishError)
    if not checked:
        raise PublishError(f"You are not signed in to the Hub. Please {SIGN_IN} (or set HF_TOKEN).")
    return HfApi(token=checked)


def full_name(api: HfApi, name: str | None) -> str:
    """Return "owner/name": the owner is by default the signed-in user, the name `DEFAULT_NAME`."""
    return name if name and "/" in name else f"{api.whoami()['name']}/{name or DEFAULT_NAME}"


def published_card(api: HfApi, repo_id: str, *, revision: str | None = None) -> str:
    """Return the card of a model on the Hub; an empty text where it has none."""
    try:
        path = api.hf_hub_download(repo_id, CARD_FILE, revision=revision)
    except RemoteEntryNotFoundError:
        return ""
    return Path(path).read_text(encoding="utf-8", errors="replace")


def is_unreachable(error: Exception) -> bool:
    """Tell whether the Hub said nothing about the model: no connection, too many requests, its own error."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code == 429 or error.response.status_code >= 500
    return True


def reason_of(error: BaseException) -> str:
    """Return a few words about a failed request."""
    if isinstance(error, HfHubHTTPError):
        return f"HTTP {error.response.status_code}"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    if isinstance(error, LocalEntryNotFoundError) and error.__cause__:
        return reason_of(error.__cause__)
    if isinstance(error, ValueError):
        return "the answer does not come from a Hub; a login page or a proxy may stand in between"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
