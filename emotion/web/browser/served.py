"""The engine's files as the app serves them to the browsers of its visitors."""

from __future__ import annotations

import hashlib
import mimetypes
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from emotion.errors import ModelLoadError
from emotion.web.browser.files import APP, HERE, model_files, shared_files
from emotion.web.browser.icon import ICON_SIZES, icon_png, icon_svg, manifest
from emotion.web.language import table

if TYPE_CHECKING:
    from emotion.model.classifier import EmotionClassifier

# An address names the version, so browsers need not ask again. The model may change: they ask whether it has.
FOREVER, ASK_AGAIN = "public, max-age=31536000, immutable", "no-cache"
ICONS = {f"icon-{size}.png": size for size in ICON_SIZES}


class Serving(Protocol):
    """What answers with the host's model."""

    classifier: EmotionClassifier


class DeviceFiles:
    """Answers requests for `/device/VERSION/PATH`.

    Parameters
    ----------
    service : Serving
        Its model may change.
    with_model : bool
        Whether browsers get the model, or only what shows the server's answers.
    """

    def __init__(self, service: Serving, *, with_model: bool) -> None:
        self.service = service
        self.with_model = with_model
        scripts = {path.relative_to(HERE).as_posix(): path.read_bytes() for path in sorted(APP.glob("*.js"))}
        icon = {
            "icon.svg": icon_svg().encode(),
            "manifest.webmanifest": manifest(table()["title"], "../../"),
        }
        self.files = shared_files() | scripts | icon
        self.version = digest(self.files)
        self._model: tuple[EmotionClassifier, Mapping[str, bytes]] | None = None
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """Where the files are, below the page's address."""
        return f"/device/{self.version}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        path = scope["path"].removeprefix(scope.get("root_path", "")).removeprefix(f"{self.address}/")
        if path in self.files:
            response = file_response(path, self.files[path], FOREVER)
        elif path in ICONS:
            # Drawn when a browser asks, not at start-up.
            response = file_response(path, await run_in_threadpool(icon_png, ICONS[path]), FOREVER)
        elif path.startswith("model/") and self.with_model:
            response = await self._model_file(path.removeprefix("model/"), Headers(scope=scope))
        else:
            response = Response(status_code=404)
        await response(scope, receive, send)

    async def _model_file(self, name: str, headers: Headers) -> Response:
        files = await run_in_threadpool(self._model_files)
        if name not in files:
            return Response(status_code=404)
        tag = f'"{digest(files)}"'
        if headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        return file_response(name, files[name], ASK_AGAIN, ETag=tag)

    def _model_files(self) -> Mapping[str, bytes]:
        """Pack the host's model, once."""
        with self._lock:
            classifier = self.service.classifier
            if self._model is None or self._model[0] is not classifier:
                try:
                    files = model_files(classifier)
                except ModelLoadError:
                    # Browsers get 404 for the model and ask the server for answers.
                    files = dict[str, bytes]()
                self._model = classifier, files
            return self._model[1]


def file_response(path: str, content: bytes, cache: str, **headers: str) -> Response:
    """Return a file, for browsers to keep; compressed files stay so."""
    kind, encoding = mimetypes.guess_type(path)
    kind = "application/gzip" if encoding else "text/javascript" if path.endswith(".js") else kind
    return Response(content, headers={"Cache-Control": cache, **headers}, media_type=kind)


def digest(files: Mapping[str, bytes]) -> str:
    """Return what names the content of files."""
    total = hashlib.sha256()
    for path, content in sorted(files.items()):
        total.update(f"{path} {len(content)} ".encode())
        total.update(content)
    return total.hexdigest()[:16]
