"""The icon of the page, a happy face as SVG and as PNG, and the manifest that names it."""

from __future__ import annotations

import functools
import io
import json

from PIL import Image, ImageDraw

from emotion.predictions.display import emotion_colour

# Pixels: what browsers ask of a page that can be installed.
ICON_SIZES = (192, 512)
# In a square of 24: the face, the eyes from top to bottom, the mouth's box and its arc in degrees.
FACE = (1, 1, 23, 23)
EYES = ((8, 8.5, 10.5), (16, 8.5, 10.5))
MOUTH, MOUTH_ARC = (6.5, 7.5, 17.5, 17.5), (35, 145)
LINE = 2
# Drawn so many times as large, then reduced: smooth edges.
FINER = 4


def icon_svg() -> str:
    """Return the icon as SVG, at any size."""
    eyes = "".join(f"M{x} {top}V{bottom}" for x, top, bottom in EYES)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">'
        f'<circle cx="12" cy="12" r="11" fill="{emotion_colour("happy")}"/>'
        f'<path d="{eyes}M7 14.5q5 5 10 0" fill="none" stroke="white" stroke-width="{LINE}"'
        ' stroke-linecap="round"/></svg>'
    )


@functools.cache
def icon_png(size: int) -> bytes:
    """Return the icon as PNG of a size in pixels."""
    unit = FINER * size / 24
    image = Image.new("RGBA", (FINER * size, FINER * size), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.ellipse([unit * value for value in FACE], fill=emotion_colour("happy"))
    for x, top, bottom in EYES:
        half = LINE / 2
        draw.rounded_rectangle(
            [unit * value for value in (x - half, top - half, x + half, bottom + half)], unit * half, "white"
        )
    draw.arc([unit * value for value in MOUTH], *MOUTH_ARC, fill="white", width=round(LINE * unit))
    buffer = io.BytesIO()
    image.resize((size, size), Image.Resampling.LANCZOS).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def manifest(title: str, home: str = "./") -> bytes:
    """Return what browsers ask of a page that can be installed; `home` leads to it from beside the icons."""
    icons: list[dict[str, str]] = [{"src": "icon.svg", "type": "image/svg+xml", "sizes": "any"}]
    icons += [
        {"src": f"icon-{size}.png", "type": "image/png", "sizes": f"{size}x{size}"} for size in ICON_SIZES
    ]
    about = {
        "name": title,
        "short_name": title,
        "start_url": home,
        "scope": home,
        "display": "standalone",
        "theme_color": "#2563eb",
        "background_color": "#ffffff",
        "icons": icons,
    }
    return json.dumps(about, ensure_ascii=False).encode()
