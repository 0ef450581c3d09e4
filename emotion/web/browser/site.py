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

from emotion.predictions.display import alternatives
from emotion.web.browser.files import OFFLINE, PAGE, model_files, shared_files
from emotion.web.browser.icon import ICON_SIZES, icon_png, icon_svg
from emotion.web.browser.words import languages, table, worded
from emotion.web.html.report import model_card, model_summary

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
    words = table()
    files = shared_files()
    files |= {f"model/{path}": content for path, content in model_files(classifier).items()}
    files |= {f"page/{path.name}": path.read_bytes() for path in (PAGE / "page.css", STYLE)}
    files["icon.svg"] = icon_svg().encode()
    files |= {f"icon-{size}.png": icon_png(size) for size in ICON_SIZES}
    files["manifest.webmanifest"] = json.dumps(_manifest(words), ensure_ascii=False).encode()
    for path in examples:
        files[f"examples/{path.name}"] = path.read_bytes()
        files[f"examples/{path.stem}-small.webp"] = _thumbnail(path)
    report, plots = _apart(model_summary(classifier))
    files |= plots
    files["index.html"] = _index(classifier, words, examples, report).encode()
    files[OFFLINE] = _offline(files).encode()
    return files


def write_site(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of the page into a folder."""
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def _index(
    classifier: EmotionClassifier, words: Mapping[str, str], examples: Sequence[Path], report: str
) -> str:
    question = words["question"].replace("{labels}", alternatives(classifier.labels))
    page = Template((PAGE / "index.html").read_text("utf-8")).substitute(
        languages=" ".join(languages()),
        policy=POLICY,
        title=escape(words["title"]),
        description=escape(question),
        question=escape(question),
        model=_model_line(classifier, words),
        preload="\n    ".join(_preloads()),
        examples="".join(_example(path, words) for path in examples),
        live=(PAGE / "live.html").read_text("utf-8"),
        report=_with_raised_headings(report),
        card=_below_headings(model_card(classifier.card)),
    )
    return worded(page, words)


def _model_line(classifier: EmotionClassifier, words: Mapping[str, str]) -> str:
    line = words["model"].replace("{name}", f"<b>{escape(classifier.model_name)}</b>")
    if classifier.revision:
        revision = f"<code>{escape(classifier.revision[:12])}</code>"
        line += " · " + words["revision"].replace("{revision}", revision)
    return line


def _preloads() -> list[str]:
    """Return links by which a browser fetches every module at once, not one after the other."""
    modules = [f"page/{path.name}" for path in sorted(PAGE.glob("*.js")) if path.name != OFFLINE]
    return [f'<link rel="modulepreload" href="{module}" />' for module in [*modules, "engine/emotion.js"]]


def _example(path: Path, words: Mapping[str, str]) -> str:
    key = f"example.{path.stem.partition('-')[2]}"
    return (
        f'<button type="button" data-example="examples/{path.name}">'
        f'<img src="examples/{path.stem}-small.webp" alt="" width="92" height="92" loading="lazy" />'
        f'<span data-word="{key}">{escape(words.get(key, path.stem))}</span></button>'
    )


def _apart(html: str) -> tuple[str, dict[str, bytes]]:
    """Take pictures out of HTML into files, which are fetched when they are seen; return both."""
    files: dict[str, bytes] = {}

    def named(match: re.Match[str]) -> str:
        path = f"plots/{len(files) + 1}.png"
        files[path] = base64.b64decode(match[1])
        return f'src="{path}"'

    return re.sub(r'src="data:image/png;base64,([^"]+)"', named, html), files


def _below_headings(html: str) -> str:
    """Lower a card's headings below the page's; an empty head of a table is none."""
    html = re.sub(r"<(/?)h([1-6])>", lambda match: f"<{match[1]}h{min(int(match[2]) + 2, 6)}>", html)
    return html.replace("<th></th>", "<td></td>")


def _with_raised_headings(html: str) -> str:
    """Raise the report's headings to the second level: above it is the title of the page alone."""
    return re.sub(r"<(/?)h3>", r"<\1h2>", html)


def _thumbnail(path: Path) -> bytes:
    image = Image.open(path).convert("RGB")
    image.thumbnail((2 * THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80)
    return buffer.getvalue()


def _manifest(words: Mapping[str, str]) -> dict[str, object]:
    icons: list[dict[str, str]] = [{"src": "icon.svg", "type": "image/svg+xml", "sizes": "any"}]
    icons += [
        {"src": f"icon-{size}.png", "type": "image/png", "sizes": f"{size}x{size}"} for size in ICON_SIZES
    ]
    return {
        "name": words["title"],
        "short_name": words["title"],
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "theme_color": "#2563eb",
        "background_color": "#ffffff",
        "icons": icons,
    }


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
