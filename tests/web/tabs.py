"""Tabs without the whole page around them, and what their events tell."""

import base64

import gradio as gr

from emotion.web.tab import Page


def wired(service, *kinds):
    """Lay out tabs of these kinds on one page and connect their events."""
    with gr.Blocks() as blocks:
        with gr.Tabs() as bar:
            tabs = []
            for kind in kinds:
                with gr.Tab(kind.id, id=kind.id):
                    tabs.append(kind(service))
        page = Page(blocks, gr.HTML(), gr.State(), bar, tabs)
        for tab in tabs:
            tab.wire(page)
    return tabs


def given(*sources):
    """What a zone tells: pictures as bytes, as snapshots are, and paths of uploads."""
    pictures = [
        f"data:image/jpeg;base64,{base64.b64encode(each).decode()}"
        for each in sources
        if isinstance(each, bytes)
    ]
    files = [str(each) for each in sources if not isinstance(each, bytes)]
    return gr.EventData(None, {"files": files, "pictures": pictures})
