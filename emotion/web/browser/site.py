"""The static page: a folder that any file server can show, with the engine and one model in it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from PIL import Image

from emotion.web.browser.files import OFFLINE, PAGE, model_files, shared_files
from emotion.web.browser.icon import ICON_SIZES, icon_png, icon_svg, manifest
from emotion.web.browser.words import worded
from emotion.web.html.messages import model_line
from emotion.web.html.report import model_card, model_summary
from emotion.web.language import DEFAULT, ENGLISH, LANGUAGES, spoken, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emotion.model.classifier import EmotionClassifier

HERE = Path(__file__).parent
STYLE = HERE.parent / "style.css"
# Nothing is fetched from elsewhere. Bars and charts set their own widths and colours.
POLICY = "; ".join((
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self'",
    "connect-src 'self'",
    "style-src 'self'",
    "style-src-attr 'unsafe-inline'",
    "img-src 'self' blob: data:",
    "media-src 'self' blob: mediastream:",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
))  # fmt: skip
# Pixels of the examples' small versions.
THUMBNAIL_SIDE = 184
# What a visit without a connection can do without.
NOT_NEEDED = ("LICENSE", ".png", ".jpg")


def site_files(classifier: EmotionClassifier, examples: Sequence[Path]) -> dict[str, bytes]:
    """Return the files of the page by their path in its folder.

    Parameters
    ----------
    classifier : EmotionClassifier
        The model that answers there; it travels with the page.
    examples : sequence of Path
        Pictures that a visitor can try.

    Raises
    ------
    ModelLoadError
        If the model has no network for LiteRT.
    """
    files = shared_files()
    files |= {f"model/{path}": content for path, content in model_files(classifier).items()}
    files |= {f"page/{path.name}": path.read_bytes() for path in (PAGE / "page.css", STYLE)}
    files["icon.svg"] = icon_svg().encode()
    files |= {f"icon-{size}.png": icon_png(size) for size in ICON_SIZES}
    files["manifest.webmanifest"] = manifest(ENGLISH("title"))
    for path in examples:
        files[f"examples/{path.name}"] = path.read_bytes()
        files[f"examples/{path.stem}-small.webp"] = _thumbnail(path)
    for code in LANGUAGES:
        report, plots = _apart(model_summary(classifier, spoken(code)))
        files |= plots
        about = {"model": model_line(classifier, say=spoken(code)), "report": report}
        files[f"about/{code}.json"] = json.dumps(about, ensure_ascii=False).encode()
        if code == DEFAULT:
            files["index.html"] = _index(classifier, examples, about).encode()
    files[OFFLINE] = _offline(files).encode()
    return files


def write_site(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of the page into a folder."""
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def _index(classifier: EmotionClassifier, examples: Sequence[Path], about: Mapping[str, str]) -> str:
    question = escape(ENGLISH("question", labels=ENGLISH.alternatives(classifier.labels)))
    page = Template((PAGE / "index.html").read_text("utf-8")).substitute(
        languages=" ".join(LANGUAGES),
        policy=POLICY,
        title=ENGLISH("title"),
        description=question,
        question=question,
        preload="\n    ".join(_preloads()),
        examples="".join(map(_example, examples)),
        live=(PAGE / "live.html").read_text("utf-8"),
        card=model_card(classifier.card),
        **about,
    )
    return worded(page, ENGLISH)


def _preloads() -> list[str]:
    """Return links by which a browser fetches every module at once, not one after the other."""
    modules = [f"page/{path.name}" for path in sorted(PAGE.glob("*.js")) if path.name != OFFLINE]
    return [f'<link rel="modulepreload" href="{module}" />' for module in [*modules, "engine/emotion.js"]]


def _example(path: Path) -> str:
    key = f"example.{path.stem.partition('-')[2]}"
    name = f'data-word="{key}">{ENGLISH(key)}' if key in table() else f">{escape(path.stem)}"
    return (
        f'<button type="button" data-example="examples/{path.name}">'
        f'<img src="examples/{path.stem}-small.webp" alt="" width="92" height="92" loading="lazy" />'
        f"<span {name}</span></button>"
    )


def _apart(html: str) -> tuple[str, dict[str, bytes]]:
    """Take pictures out of HTML into files, which are fetched when they are seen; return both."""
    files: dict[str, bytes] = {}

    def named(match: re.Match[str]) -> str:
        path = f"plots/{len(files) + 1}.png"
        files[path] = base64.b64decode(match[1])
        return f'src="{path}"'

    return re.sub(r'src="data:image/png;base64,([^"]+)"', named, html), files


def _thumbnail(path: Path) -> bytes:
    image = Image.open(path).convert("RGB")
    image.thumbnail((2 * THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=70, method=6)
    return buffer.getvalue()


def _offline(files: Mapping[str, bytes]) -> str:
    """Return the service worker, with the hash of every file of the page."""
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())}
    version = hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:16]
    later = [path for path in digests if path.endswith(NOT_NEEDED)]
    needed = {path: digest for path, digest in digests.items() if path not in later}
    script = (PAGE / OFFLINE).read_text("utf-8")
    for name, empty, value in (("FILES", "{}", needed), ("LATER", "[]", later)):
        script = script.replace(f"const {name} = {empty};", f"const {name} = {json.dumps(value, indent=1)};")
    return script.replace("emotion-FILES", f"emotion-{version}")
