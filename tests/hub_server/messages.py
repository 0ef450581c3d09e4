"""Requests, responses, refusals, and the faults that change them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    """What the client asked for; `path` is decoded and has no query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass
class Response:
    """What the server answers; a fault may change it before it is sent."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    send_only: int | None = None  # cut the connection after this many bytes
    stalled: bool = False  # send it only when the Hub is healed or stopped
    drips: bool = False  # send a byte now and then
    endless: bool = False  # send more than was asked for, until the client hangs up


def json_response(
    content: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response with a JSON body."""
    return Response(
        status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})}
    )


class Refused(Exception):
    """An answer that is not a success, in the Hub's own form."""

    def __init__(self, status: int, message: str, *, code: str | None = None, **body: object):
        super().__init__(message)
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self.response = json_response({"error": message, **body}, status=status, headers=headers)


@dataclass
class Fault:
    """Something that goes wrong for the next `times` requests whose "METHOD /path" matches `pattern`."""

    pattern: str
    times: float
    before: Callable[[], None] | None = None
    after: Callable[[Response], None] | None = None
