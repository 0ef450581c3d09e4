"""What the Hub refuses in the metadata of a card."""

import re

import yaml


def space_card_problems(card: str) -> list[str]:
    """Return what the Hub would refuse in the card of a Gradio Space."""
    metadata = yaml.safe_load(card.split("---")[1])
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    problems = [
        f'"{key}" must be one of {colours}'
        for key in ("colorFrom", "colorTo")
        if metadata.get(key) not in colours
    ]
    problems += [
        f'"{key}" must be a string'
        for key in ("title", "sdk", "sdk_version", "python_version", "app_file")
        if not isinstance(metadata.get(key, ""), str)
    ]
    if len(metadata.get("short_description", "")) > 60:
        problems.append('"short_description" length must be less than or equal to 60 characters long')
    return problems


def card_problems(card: str) -> list[str]:
    """Return what the Hub would refuse in a model card's metadata (the checks that a model can fail)."""
    match = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", card, re.DOTALL)
    if not match:
        return []
    try:
        metadata = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        return [f"not YAML: {error}"]
    if not isinstance(metadata, dict):
        return ["the metadata is not a mapping"]
    problems = []
    for entry in metadata.get("model-index") or []:
        if not entry.get("name"):
            problems.append('"model-index[].name" is required')
        for result in entry.get("results") or [{}]:
            for section, keys in {"task": ["type"], "dataset": ["name", "type"]}.items():
                missing = [key for key in keys if not (result.get(section) or {}).get(key)]
                problems += [f'"model-index[].results[].{section}.{key}" is required' for key in missing]
            for metric in result.get("metrics") or [{}]:
                missing = [key for key in ("type", "value") if metric.get(key) is None]
                problems += [f'"model-index[].results[].metrics[].{key}" is required' for key in missing]
    return problems
