"""How the page arrives: in the visitor's language, and with preview tags of our own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotion.web.inside.requests import path_of
from emotion.web.language import DEFAULT, LANGUAGES, RIGHT_TO_LEFT, Words, language_of, resolved, spoken

# Addresses whose answers hold marks of `emotion.web.language`. Programs read the last ones.
PAGES, DESCRIPTIONS = ("", "/config"), ("/gradio_api/info", "/gradio_api/openapi.json")
# Of Gradio 6.31's page: its preview tags, its own first, then the app's without a picture.
TAGS = re.compile(r'\s*<meta\s+(?:property="og:|name="twitter:)[^>]*/>')

# Gradio adds a page's own style late, and inside its container alone; this part would move everything. Its
# blocks ignore the page's direction; boxes over a video are placed from the left.
CONTAINER = """.gradio-container { max-width: 1240px !important; margin: 0 auto !important; width: 100%; }
html[dir="rtl"] .gradio-container :not(code, pre, .overlay, .overlay *) { direction: rtl; }"""


class SpeakLanguages:
    """Writes words into the page before it is sent.

    Parameters
    ----------
    address : str
        Where the scripts of the page are, below its own address.
    labels : sequence of str
        What the host's model knows, for the page's description.
    """

    def __init__(self, app: ASGIApp, *, address: str, labels: Sequence[str]) -> None:
        self.app = app
        self.address = address
        self.labels = labels

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        path = path_of(scope).removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or path not in (*PAGES, *DESCRIPTIONS):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        code = DEFAULT if path in DESCRIPTIONS else language_of(headers)
        start: Message = {}
        body = bytearray()

        async def gather(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            text = resolved(body.decode(), spoken(code))
            if path == "":
                text = self._arriving(text, spoken(code), _home(headers, scope))
            content = text.encode()
            answer = MutableHeaders(scope=start)
            answer["Content-Length"] = str(len(content))
            if path in PAGES:
                answer.add_vary_header("Accept-Language, Cookie")
            await send(start)
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})

        await self.app(scope, receive, gather)

    def _arriving(self, page: str, say: Words, home: str) -> str:
        direction = "rtl" if say.code in RIGHT_TO_LEFT else "ltr"
        # Gradio writes its own name for the language over `lang`.
        here = f'lang="{say.code}" dir="{direction}" data-language="{say.code}"'
        page = page.replace('lang="en"', here, 1)
        page = TAGS.sub("", page).replace("/manifest.json", f".{self.address}/manifest.webmanifest", 1)
        return page.replace("<head>", f"<head>{self._head(say, home)}", 1)

    def _head(self, say: Words, home: str) -> str:
        title = say("title")
        about = escape(say("question", labels=say.alternatives(self.labels)))
        # Gradio 6.31's own words follow `navigator.language` alone, and the visitor may have chosen another
        # language. This can go when Gradio takes one as a setting.
        gradio = LANGUAGES[say.code][1]
        return f"""
<title>{title}</title>
<meta name="description" content="{about}">
<meta property="og:type" content="website">
<meta property="og:title" content="{title}">
<meta property="og:description" content="{about}">
<meta property="og:image" content="{home}{self.address}/icon-512.png">
<meta property="og:url" content="{home}">
<meta name="twitter:card" content="summary">
<link rel="icon" href=".{self.address}/icon.svg" type="image/svg+xml">
<link rel="apple-touch-icon" href=".{self.address}/icon-192.png">
<style>{CONTAINER}</style>
<script>for (const [name, value] of [["language", "{gradio}"], ["languages", ["{gradio}"]]])
  Object.defineProperty(navigator, name, {{ value, configurable: true }});</script>
<script type="module" src=".{self.address}/app/page.js"></script>"""


def _home(headers: Headers, scope: Scope) -> str:
    """Return the page's address as visitors see it; crawlers want pictures by their whole address."""
    scheme = headers.get("x-forwarded-proto", scope["scheme"]).split(",")[0]
    host = headers.get("x-forwarded-host", headers.get("host", ""))
    return escape(f"{scheme}://{host}{scope.get('root_path', '')}")
