"""Errors whose messages say what to do next, also when the Hugging Face Hub refuses something."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

# Characters of another library's message inside one of ours.
LONGEST_QUOTE = 300
TOKEN_PAGE = "https://huggingface.co/settings/tokens"
# Statuses of the Hub (none: any), a pattern in its error code and sentence, and the advice; the first match.
HUB_ADVICE: tuple[tuple[Sequence[int], str, str], ...] = (
    (
        (400, 402, 403, 413),
        r"storage|quota",
        "Delete files that you no longer need, or get more storage at https://huggingface.co/settings/billing,"
        " and {again}.",
    ),
    (
        (401, 403),
        r"Gated|restricted|gated|awaiting",
        "Only people whom its owner lets in may read {name}. Ask at {page}, then type `hf auth login`.",
    ),
    (
        (401, 404),
        r"RepoNotFound|Repository not found",
        "There is no {name} on the Hub that you may see. Check the name at {page}; if it is private, type"
        " `hf auth login` first.",
    ),
    (
        (401,),
        r"",
        "The token is wrong, expired or revoked. Create one with {access} access at {tokens} and type"
        " `hf auth login`; HF_TOKEN, when set, comes first.",
    ),
    (
        (402,),
        r"",
        "Pay for it at https://huggingface.co/settings/billing, or choose what is free, and {again}.",
    ),
    (
        (403,),
        r"",
        "Check the owner's name, or create a token with {access} access to {name} at {tokens} and type"
        " `hf auth login`.",
    ),
    ((404,), r"", "Check that {name} is still on the Hub and that you may see it: {page}."),
    ((409, 412), r"", "{name} was changed at the same time. Look at {page} and {again}."),
    ((429,), r"", "Wait {wait} and {again}."),
    (range(500, 600), r"", "The Hub has a problem. See https://status.huggingface.co, wait and {again}."),
    ((), r"", "Look at {page} and {again}."),
)


class EmotionError(Exception):
    """Base of every error that this package raises on purpose; its message is for users."""


class InvalidImageError(EmotionError, ValueError):
    """The input is not a picture that can be classified."""


class InvalidVideoError(EmotionError, ValueError):
    """The input is not a clip that can be annotated."""


class DataError(EmotionError, ValueError):
    """The labelled pictures cannot be trained or evaluated on."""


class ModelLoadError(EmotionError):
    """A saved model cannot be found, read or trusted."""


class PublishError(EmotionError):
    """A saved model could not be published; it is still complete on disk.

    `also` are further options of the command that publishes later.
    """

    def __init__(self, message: str, *, also: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.also = also


class TrainingError(EmotionError):
    """A training run cannot start or continue; files that it saved earlier are untouched."""


class DivergedError(TrainingError):
    """The loss of a training run is no longer a number."""


def in_one_line(error: BaseException | str) -> str:
    """Return a library's message in one line of at most `LONGEST_QUOTE` characters, without its number."""
    said = re.sub(r"\[(?:Errno|WinError) -?\d+\] ?", "", " ".join(str(error).split())).rstrip(".")
    return said if len(said) <= LONGEST_QUOTE else said[: LONGEST_QUOTE - 1] + "…"


def hub_refusal(error: HfHubHTTPError, name: str, *, page: str, access: str, again: str) -> str:
    """Return what the Hub says about a failed request, in its own words first, and what to do about it.

    `name` is "owner/name", `page` its address, `access` what the token needs ("read" or "write"), and `again`
    what to do afterwards, such as "publish again".
    """
    status, headers = error.response.status_code, error.response.headers
    said = in_one_line(error.server_message or "")
    known = f"{headers.get('X-Error-Code', '')} {said}"
    advice = next(
        text
        for statuses, pattern, text in HUB_ADVICE
        if (not statuses or status in statuses) and re.search(pattern, known)
    ).format(name=name, page=page, access=access, again=again, tokens=TOKEN_PAGE, wait=waiting_time(headers))
    heading = f'The Hub says: "{said}" (HTTP {status}).' if said else f"The Hub answers HTTP {status}."
    return f"{heading} {advice}"


def waiting_time(headers: Mapping[str, str]) -> str:
    """Return how long the Hub asks to wait, such as "77 seconds"; "a few minutes" by default."""
    from huggingface_hub.utils import parse_ratelimit_headers

    limit = parse_ratelimit_headers(headers)
    seconds = headers.get("Retry-After") or (limit and limit.reset_in_seconds)
    return f"{seconds} seconds" if seconds else "a few minutes"
