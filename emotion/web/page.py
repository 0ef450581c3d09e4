"""The page: its tabs side by side, what they share, how it looks, and the server that shows it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from emotion.web.clip import Clip
from emotion.web.html.messages import header, language_switch
from emotion.web.inside.arrival import SpeakLanguages
from emotion.web.inside.blocks import NoteVisitors, PrivateBlocks
from emotion.web.inside.requests import AnswerErrors, LimitBodies, OpenRoutes
from emotion.web.inside.results import SendOnce
from emotion.web.inside.uploads import PassUploads, keep_sweeping, use_own_uploads
from emotion.web.language import LATER
from emotion.web.live import Live
from emotion.web.many import Many
from emotion.web.model_tab import Model
from emotion.web.photo import Photo
from emotion.web.process import usable_processors
from emotion.web.service import Service
from emotion.web.tab import SILENT, Page, Tab
from emotion.web.teach import Teach

# In the order of the page. A new tab needs its file and its place here.
TABS: tuple[type[Tab], ...] = (Photo, Live, Clip, Many, Teach, Model)
STYLE = Path(__file__).with_name("style.css")
# In the browser: the language that the page came in.
CHOSEN = "element.querySelector('select').value = document.documentElement.dataset.language;"


def build_app(service: Service) -> PrivateBlocks:
    """Build the page, its events and its API."""
    with PrivateBlocks(title=LATER("title"), analytics_enabled=False) as app:
        own = gr.State()
        gr.HTML(language_switch(LATER), elem_id="languages", elem_classes="em-own", js_on_load=CHOSEN)
        heading = gr.HTML(header(service.classifier, say=LATER), elem_id="title")
        tabs: list[Tab] = []
        with gr.Tabs() as bar:
            for kind in TABS:
                with gr.Tab(LATER(f"tab.{kind.id}"), id=kind.id):
                    tabs.append(kind(service))
        gr.HTML(f'<p class="em-privacy">{LATER("privacy.server")}</p>')
        page = Page(app, heading, own, bar, tabs)
        for tab in tabs:
            tab.wire(page)
        # Cameras go off.
        bar.change(None, js="() => document.dispatchEvent(new Event('emotion-tab'))", queue=False, **SILENT)
        app.forget_when_closed([state for tab in tabs for state in tab.forgets])
    processors = usable_processors()
    app.queue(
        api_open=False,  # calls past the queue would have no limit
        max_size=service.limits.waiting_per_processor * processors,
        default_concurrency_limit=processors,
    )
    return app


def launch(app: PrivateBlocks, service: Service, **options: Any) -> None:
    """Serve the page; `options` are those of `gradio.Blocks.launch`, which also reads GRADIO_SERVER_PORT."""
    limits = service.limits
    keep_sweeping(app.temp_file_sets)
    use_own_uploads()
    # It logs malformed requests as errors, and quotes them.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    app.launch(
        theme=theme(),
        css=STYLE.read_text("utf-8"),
        mcp_server=True,
        run_history=False,
        enable_monitoring=False,
        max_file_size=limits.file_bytes,
        state_session_capacity=limits.sessions,
        footer_links=["api", "gradio", "settings"],
        app_kwargs={
            "middleware": [
                Middleware(SendOnce),
                Middleware(OpenRoutes, alive=lambda: app.steady_queue.alive, device=service.device),
                Middleware(SpeakLanguages, address=service.device.address, labels=service.classifier.labels),
                Middleware(AnswerErrors),
                Middleware(LimitBodies, most=limits.body_bytes),
                Middleware(PassUploads, most=limits.upload_bytes, on_disk=limits.disk_bytes),
                Middleware(NoteVisitors, visitors=app.visitors),
            ]
        },
        **options,
    )


def theme() -> gr.themes.Base:
    """Return Gradio's theme, with fonts of the visitor's machine, as the page asks no other server."""
    return gr.themes.Soft(
        primary_hue="blue",
        neutral_hue="slate",
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "Consolas", "monospace"],
    ).set(
        # Darker than the theme's own on light, lighter on dark: a contrast of at least 4.5 to 1.
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_label_text_color="*primary_700",
        block_label_text_color_dark="*primary_100",
        block_title_text_color="*primary_700",
        block_title_text_color_dark="*primary_100",
        block_title_background_fill_dark="*primary_900",
        block_label_background_fill_dark="*primary_900",
        color_accent="*primary_600",
        checkbox_label_background_fill_selected="*primary_600",
        checkbox_label_background_fill_selected_dark="*primary_600",
        # Buttons that are seen on a white page, too.
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_border_width="1px",
        button_secondary_background_fill="*neutral_100",
        button_secondary_background_fill_hover="*neutral_200",
        button_secondary_background_fill_hover_dark="*neutral_800",
        button_secondary_border_color="*neutral_300",
    )
