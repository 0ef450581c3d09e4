"""The metadata of a card, and links from a card to the Spaces that serve its model."""

from __future__ import annotations

import re
from typing import Any

from huggingface_hub import CardData, EvalResult, ModelCardData, RepoCard, constants
from yaml import YAMLError

from emotion.config import public_source
from emotion.report.report import FIGURES, Report

LICENSE = "mit"
TAGS = ["emotion-recognition", "facial-expression-recognition", "litert", "tflite"]


def metadata(report: Report, source: str | None, *, repo_id: str | None) -> str:
    """Return the card's YAML block, with the measured metrics as `model-index`."""
    dataset = public_source(source) if source else None
    on_hub = dataset.removeprefix("hf:").split("@")[0] if dataset and dataset.startswith("hf:") else None
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=on_hub or "imagefolder",
            dataset_name=dataset or "labelled pictures",
            dataset_split=report.data.report_split,
            metric_type=figure.metric,
            metric_name=figure.title,
            metric_value=value,
        )
        for figure in FIGURES.values()
        if figure.metric and (value := figure.read(report)) is not None
    ]
    card = ModelCardData(
        license=LICENSE,
        library_name="keras",
        pipeline_tag="image-classification",
        tags=TAGS,
        datasets=[on_hub] if on_hub else None,
        base_model=base_models(report) or None,
        metrics=["accuracy", "f1"] if results else None,
        model_name=(repo_id or "facial-emotion").split("/")[-1],
        eval_results=results or None,
    )
    return f"---\n{card.to_yaml()}\n---"


def base_models(report: Report) -> list[str]:
    """Return the models on the Hub that a model started from or learned from."""
    names = report.model.get("base_model")
    names = names if isinstance(names, list) else []
    return [name for name in names if isinstance(name, str) and re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name)]


def link_space(card: str, space: str) -> str:
    """Return a model's card with a link to a Space; as it is if it has one, or holds no readable metadata."""
    data, text = split_card(card)
    spaces = linked_spaces(card)
    if space in spaces or not data:
        return card
    line = f"**Try it** in your browser: [{space}]({constants.ENDPOINT}/spaces/{space})"
    # Below the title, or at the top of a card without one.
    title = re.search(r"^# .*$", text, re.MULTILINE)
    place = title.end() if title else 0
    text = f"{text[:place]}\n\n{line}{text[place:]}"
    return join_card(data | {"spaces": [*spaces, space]}, text)


def linked_spaces(card: str) -> list[str]:
    """Return the Spaces that a model's card links to."""
    found = split_card(card)[0].get("spaces")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def split_card(card: str) -> tuple[dict[str, Any], str]:
    """Return the metadata and the text of a card that anybody may have written; no metadata if unreadable."""
    # The client would log that there is none.
    if not card.lstrip().startswith("---"):
        return {}, card
    try:
        parsed = RepoCard(card, ignore_metadata_errors=True)
    except (ValueError, TypeError, YAMLError):
        return {}, card
    return parsed.data.to_dict(), parsed.text


def join_card(data: dict[str, Any], text: str) -> str:
    """Return a card of metadata and text."""
    return f"---\n{CardData(**data).to_yaml()}\n---\n{text}"
