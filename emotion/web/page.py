"""The page: its tabs side by side, what they share, and the server that shows it."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from emotion.web import api, camera, clip, live, many, model_tab, photo, teach
from emotion.web.html.messages import PRIVACY, header
from emotion.web.inside.blocks import PrivateBlocks
from emotion.web.inside.requests import AnswerBusy, AnswerErrors, AnswerFalseAlarms, CountUploads, LimitBodies
from emotion.web.inside.routes import OpenRoutes
from emotion.web.inside.uploads import SWEPT_AFTER, keep_sweeping
from emotion.web.inside.visitors import NoteVisitors
from emotion.web.resources import usable_processors
from emotion.web.session import Session
from emotion.web.theme import style_sheet, theme

# Seconds: a day. Gradio's own look for old uploads ends for good when one comes meanwhile; so it only deletes
# them all at the end.
LEFT_TO_GRADIO = 86_400


def build_app(session: Session) -> PrivateBlocks:
    """Build the page, its events and its API."""
    with PrivateBlocks(
        session.visitors,
        title="Facial emotion",
        analytics_enabled=False,
        delete_cache=(LEFT_TO_GRADIO, SWEPT_AFTER),
    ) as app:
        # The visitor's own model; None: the one that everybody gets.
        own = gr.State()
        title = gr.HTML(header(session.classifier), elem_id="title")
        with gr.Tabs() as tabs:
            with gr.Tab("Photo", id="photo"):
                photo_tab = photo.build(session)
            with gr.Tab("Live", id="live"):
                live_tab = live.build(session)
            with gr.Tab("Video file", id="video"):
                clip_tab = clip.build(session)
            with gr.Tab("Many pictures", id="many"):
                many_tab = many.build(session)
            with gr.Tab("Teach it", id="teach"):
                teach_tab = teach.build(session)
            with gr.Tab("Model", id="model"):
                model = model_tab.build(session)
        gr.HTML(f'<p class="em-privacy">{PRIVACY}</p>')

        api.wire(photo_tab.picture, session)
        photo.wire(photo_tab, session, own)
        live.wire(live_tab, session, own, tabs=tabs, photo=photo_tab)
        clip.wire(clip_tab, session, own)
        many.wire(many_tab, session, own)
        teach.wire(teach_tab, session, own, title=title, page=app)
        model_tab.wire(model, session, own, title=title, page=app)
        camera.wire_tabs(tabs)

        # A model stays, should the page only sleep.
        app.forget_when_closed([photo_tab.answer, live_tab.watching, teach_tab.lesson, teach_tab.frame])
    # Gradio would keep 10,000 events with their visitors, and sum all of them up after each; nobody reads it.
    os.environ.update(GRADIO_ANALYTICS_MAX_EVENTS="1", GRADIO_ANALYTICS_CACHE_FREQUENCY=str(sys.maxsize))
    processors = usable_processors()
    # Closed to calls past the queue, which would know no limit.
    app.queue(
        api_open=False,
        max_size=session.limits.waiting_per_processor * processors,
        default_concurrency_limit=processors,
    )
    return app


def launch(app: PrivateBlocks, session: Session, **options: Any) -> None:
    """Serve the page; `options` are those of `gradio.Blocks.launch`, which also reads GRADIO_SERVER_PORT."""
    limits = session.limits
    keep_sweeping(app.temp_file_sets)
    # What it logs as errors are the malformed requests of its clients, and parts of them.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    app.launch(
        theme=theme(),
        css=style_sheet(camera_height=photo.PICTURE_HEIGHT),
        head=camera.head(limits.live_minutes),
        mcp_server=True,
        run_history=False,
        enable_monitoring=False,
        max_file_size=limits.file_bytes,
        state_session_capacity=limits.sessions,
        footer_links=["api", "gradio", "settings"],
        app_kwargs={
            "middleware": [
                Middleware(OpenRoutes, alive=lambda: app.steady_queue.alive),
                Middleware(AnswerErrors),
                Middleware(LimitBodies, upload_bytes=limits.upload_bytes, body_bytes=limits.body_bytes),
                Middleware(AnswerBusy, uploads=session.uploads),
                Middleware(CountUploads, uploads=session.uploads),
                Middleware(AnswerFalseAlarms),
                Middleware(NoteVisitors, visitors=session.visitors),
            ]
        },
        **options,
    )
