"""Tabs without the whole page around them."""

import gradio as gr

from emotion.web.tab import Page


def wired(service, *kinds):
    """Lay out tabs of these kinds on one page and connect their events."""
    with gr.Blocks() as blocks:
        with gr.Tabs() as bar:
            tabs = []
            for kind in kinds:
                with gr.Tab(kind.title, id=kind.id):
                    tabs.append(kind(service))
        page = Page(blocks, gr.HTML(), gr.State(), bar, tabs)
        for tab in tabs:
            tab.wire(page)
    return tabs
