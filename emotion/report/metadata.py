"""The metadata of a card, its links to Spaces, and what a person changed in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from huggingface_hub import CardData, EvalResult, ModelCardData, RepoCard, constants, hf_hub_url
from yaml import YAMLError

from emotion.config import public_source
from emotion.predictions.display import harmless
from emotion.report.report import FIGURES, Report

# What the Hub knows by name; everything else is "other" with a name of its own.
HUB_LICENSES = frozenset(
    """
    afl-3.0 agpl-3.0 apache-2.0 apple-amlr apple-ascl artistic-2.0 bigcode-openrail-m
    bigscience-bloom-rail-1.0 bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear
    bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0
    cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0
    cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0
    creativeml-openrail-m deepfloyd-if-license ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2
    fair-noncommercial-research-license gemma gfdl gpl gpl-2.0 gpl-3.0 h-research intel-research isc
    lgpl lgpl-2.1 lgpl-3.0 lgpl-lr llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 lppl-1.3c mit mpl-2.0
    ms-pl ncsa odbl odc-by ofl-1.1 open-mdw openrail openrail++ osl-3.0 pddl postgresql unlicense wtfpl
    zlib
    """.split()
)
TAGS = ["emotion-recognition", "facial-expression-recognition", "litert", "tflite"]
FACE_CAPTION = "A made-up face, and how likely each expression is"
NO_LICENSE = """\
No licence was stated for these weights. Before you use them, ask their author and the owners of the pictures
they were trained on."""


def metadata(
    report: Report,
    source: str | None,
    training: Mapping[str, Any],
    *,
    repo_id: str | None,
    faces: Sequence[str] = (),
) -> str:
    """Return the card's YAML block, with the measured metrics as `model-index`; `faces` as for the card."""
    dataset = public_source(source) if source else None
    licence = license_fields(training.get("license"))
    on_hub = datasets_on_hub((source or "").split(" + ")) or datasets_on_hub(training.get("data"))
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=on_hub[0] if len(on_hub) == 1 else "imagefolder",
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
        license=licence["license"],
        license_name=licence.get("license_name"),
        language="en",
        library_name="keras",
        pipeline_tag="image-classification",
        tags=TAGS,
        datasets=on_hub or None,
        base_model=base_models(report) or None,
        metrics=["accuracy", "f1"] if results else None,
        model_name=(repo_id or "facial-emotion").split("/")[-1],
        eval_results=results or None,
        co2_eq_emissions=emissions(report.model),
        # What links to the page show, and what `<Gallery />` in the card does.
        thumbnail=hf_hub_url(repo_id, faces[0]) if repo_id and faces else None,
        widget=[{"text": FACE_CAPTION, "output": {"url": path}} for path in faces] or None,
    )
    return f"---\n{card.to_yaml()}\n---"


def emissions(model: Mapping[str, Any]) -> dict[str, object] | None:
    """Return the measured emissions of training as the Hub shows them; None where they were not measured."""
    grams = model.get("co2_grams")
    if not isinstance(grams, (int, float)):
        return None
    found = {
        "emissions": grams,
        "source": "codecarbon",
        "training_type": "fine-tuning" if model.get("base_model") else "pre-training",
        "geographical_location": model.get("co2_country"),
        "hardware_used": model.get("hardware"),
    }
    return {name: value for name, value in found.items() if isinstance(value, (str, int, float))}


def datasets_on_hub(sources: object) -> list[str]:
    """Return the ids of the data sets on the Hub among data sources: `hf:a/b/config@main` → `a/b`."""
    given = sources if isinstance(sources, (list, tuple)) else [sources]
    names = ["/".join(str(each)[3:].split("@")[0].split("/")[:2]) for each in given if str(each)[:3] == "hf:"]
    return list(dict.fromkeys(name for name in names if re.fullmatch(r"[\w.-]+/[\w.-]+|[\w.-]+", name)))


def license_fields(license: object) -> dict[str, str]:
    """Return the licence as the Hub wants it: one that it does not know by name is `other` with a name."""
    name = license.strip().lower() if isinstance(license, str) else ""
    if name in HUB_LICENSES:
        return {"license": name}
    return {"license": "other", "license_name": re.sub(r"[^\w.]+", "-", name).strip("-") or "not-stated"}


def licence_section(training: Mapping[str, Any]) -> str:
    """Return what the card says about the licence, and what the owners of the pictures allow."""
    stated, note = training.get("license"), training.get("license_note")
    name = license_fields(stated).get("license_name") or stated
    text = NO_LICENSE if name == "not-stated" else f"The weights are published under `{harmless(name)}`."
    if name != "not-stated" and "license_name" in license_fields(stated):
        text = f"No standard licence covers these weights; the Hub shows `{harmless(name)}`."
    parts = [text, *([harmless(note)] if isinstance(note, str) and note.strip() else [])]
    return "## Licence\n\n" + " ".join(parts)


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
    line = f"{TRY_IT}: [{space}]({constants.ENDPOINT}/spaces/{space})"
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
    """Return the metadata and the text of a card from any author; no metadata if it is unreadable."""
    # The client would log that the metadata is missing.
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


# An HTML comment at the end of a card, which no page shows: a few digits of the SHA-256 of every paragraph
# and every entry of the metadata as they were written, so that a later card can tell what a person changed.
MARK = re.compile(r"\n<!-- written: ([0-9a-f ]+) -->\n*$")
TRY_IT = "**Try it** in your browser"


def marked(card: str) -> str:
    """Return a card with a record of what the program wrote in it."""
    data, text = split_card(card)
    digests = map(_digest, [*data.items(), *_paragraphs(text)])
    return f"{card.rstrip()}\n\n<!-- written: {' '.join(dict.fromkeys(digests))} -->\n"


def keep_changes(ours: str, theirs: str) -> str:
    """Return a new card with what a person changed in the published one: metadata, paragraphs, deletions.

    Links to Spaces are left to `link_space`. A paragraph that a person wrote follows the paragraph that it
    followed, or ends its section. In a card without a record, written before there was one, their licence
    (unless it is the former default, MIT) and entries that the new card lacks stay, and so do paragraphs in
    sections that the new card lacks.
    """
    data, text = split_card(ours)
    their_data, their_text = split_card(theirs)
    their_data.pop("spaces", None)  # `link_space` adds them with their lines
    mark = MARK.search(their_text)
    if not their_data and not their_text.strip():
        return ours
    if mark is None:
        kept = {key: value for key, value in their_data.items() if key not in data}
        if their_data.get("license") not in (None, "mit"):
            kept |= {key: value for key, value in their_data.items() if key.startswith("license")}
            data = {key: value for key, value in data.items() if not key.startswith("license")}
        known = {paragraph for paragraph in _paragraphs(text) if paragraph.startswith("#")}
        own = _their_sections(their_text, known)
        body = MARK.sub("", text).rstrip()
        added = "".join(f"\n\n{paragraph}" for paragraph in own)
        return join_card(data | kept, f"{body}{added}\n{_mark_of(text)}")
    written = set(mark[1].split())
    changed = {key: value for key, value in their_data.items() if _digest((key, value)) not in written}
    removed = {
        key for key, value in data.items() if key not in their_data and _digest((key, value)) in written
    }
    if any(key.startswith("license") for key in changed):
        removed |= {key for key in data if key.startswith("license")}
    data = {key: value for key, value in data.items() if key not in removed} | changed
    paragraphs = _paragraphs(text)
    theirs_now = [paragraph for paragraph in _paragraphs(their_text) if not paragraph.startswith(TRY_IT)]
    present = set(map(_digest, theirs_now))
    paragraphs = [own for own in paragraphs if _digest(own) not in written or _digest(own) in present]
    heading = before = ""
    for paragraph in theirs_now:
        if _digest(paragraph) not in written and paragraph not in paragraphs:
            place = _place(paragraphs, before, heading)
            paragraphs.insert(place, paragraph)
        if paragraph.startswith("#"):
            heading = paragraph
        before = paragraph
    return join_card(data, "\n" + "\n\n".join(paragraphs) + "\n" + _mark_of(text))


def _place(paragraphs: list[str], before: str, heading: str) -> int:
    """Return where a paragraph goes that followed another one, in the section of a heading."""
    if before in paragraphs:
        return paragraphs.index(before) + 1
    if heading not in paragraphs:
        return len(paragraphs)
    start = paragraphs.index(heading) + 1
    following = (place for place in range(start, len(paragraphs)) if paragraphs[place].startswith("#"))
    return next(following, len(paragraphs))


def _their_sections(text: str, known: set[str]) -> list[str]:
    """Return the paragraphs of a text that stand below headings that are not known."""
    own: list[str] = []
    foreign = False
    for paragraph in _paragraphs(text):
        if paragraph.startswith("#"):
            foreign = paragraph not in known and not paragraph.startswith("# ")
        own += [paragraph] if foreign else []
    return own


def _paragraphs(text: str) -> list[str]:
    """Return the parts of a text between blank lines, without the record; code in fences stays whole."""
    parts: list[str] = []
    for part in re.split(r"\n\s*\n", MARK.sub("", text).strip()):
        if parts and parts[-1].count("```") % 2:
            parts[-1] += f"\n\n{part}"
        else:
            parts.append(part)
    return parts


def _mark_of(text: str) -> str:
    found = MARK.search(text)
    return f"{found[0].strip()}\n" if found else ""


def _digest(written: object) -> str:
    return hashlib.sha256(repr(written).encode()).hexdigest()[:8]
