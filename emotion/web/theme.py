"""How the page looks: Gradio's theme, and the style sheet for what a theme cannot say."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from emotion.predictions.display import EMOTION_COLOURS, NOT_SURE, NOT_SURE_COLOUR

STYLE = Path(__file__).with_name("style.css")


def theme() -> gr.themes.Base:
    """Return the theme. Only fonts that the visitor's machine has: the page asks no other server."""
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
        color_accent="*primary_600",
        # Buttons that are seen on a white page, too.
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_border_width="1px",
        button_secondary_background_fill="*neutral_100",
        button_secondary_background_fill_hover="*neutral_200",
        button_secondary_border_color="*neutral_300",
    )


def style_sheet(*, camera_height: int) -> str:
    """Return the page's CSS, with the colour of every emotion.

    Parameters
    ----------
    camera_height : int
        Of the camera's picture, in pixels: boxes are laid over it.
    """
    meters = "\n".join(
        f'[data-testid="{label}-confidence-set"] {{ --stat-background-fill: {colour}; }}'
        for label, colour in {**EMOTION_COLOURS, NOT_SURE: NOT_SURE_COLOUR}.items()
    )
    height = f":root {{ --em-camera-height: {camera_height}px; }}"
    return f"{height}\n{meters}\n{STYLE.read_text('utf-8')}"
