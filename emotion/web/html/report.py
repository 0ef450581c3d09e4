"""What is known about a model: its figures, plots, limits and card."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

from emotion.predictions.display import percent
from emotion.report.groups import gaps_in_words
from emotion.report.report import FIGURES, PLOTS_FOLDER
from emotion.web.html.answer import label
from emotion.web.language import ENGLISH, Words

if TYPE_CHECKING:
    from emotion.model.classifier import EmotionClassifier
    from emotion.report.groups import GroupColumn
    from emotion.report.metrics import Interval
    from emotion.report.report import ConfusionMatrix, Report

# Figures and plots of the report that the page shows; the tables of words name and explain them.
SHOWN = ("found_and_right", "macro_f1", "answered", "wrong_among_answered", "calibration_error")
SHOWN_PLOTS = ("calibration", "roc", "training")
LARGEST_PLOT = 500_000  # bytes
# Characters: rendering them takes less than a second, hostile ones too. The embedded model's card has 11,000.
LONGEST_CARD = 40_000
CARD_TAGS = set(
    "h1 h2 h3 h4 h5 h6 p br hr ul ol li blockquote pre code a em strong del "
    "table thead tbody tr th td details summary".split()
)


def model_card(card: str | None, say: Words = ENGLISH) -> str:
    """Return a model card, which a stranger may have written, as HTML without pictures and scripts.

    A picture would tell another machine who looks at the page.
    """
    if not card:
        return f"<p>{say('model.no-card')}</p>"
    # The metadata block is between two lines of dashes.
    text = card.partition("\n---\n")[2] if card.startswith("---\n") else card
    markdown = MarkdownIt("commonmark").enable("table")
    markdown.add_render_rule("image", _described)
    rest = "\n\n(This card is longer; the Hub shows all of it.)" if len(text) > LONGEST_CARD else ""
    return _below_headings(
        nh3.clean(
            markdown.render(text[:LONGEST_CARD] + rest),
            tags=CARD_TAGS,
            attributes={"a": {"href"}},
            attribute_filter=_outward,
            set_tag_attribute_values={"a": {"target": "_blank"}},
        )
    )


def _below_headings(html: str) -> str:
    """Lower a card's headings below the page's; an empty head of a table is none."""
    html = re.sub(r"<(/?)h([1-6])>", lambda match: f"<{match[1]}h{min(int(match[2]) + 2, 6)}>", html)
    return html.replace("<th></th>", "<td></td>")


def _described(_renderer: object, tokens: Sequence[Token], index: int, *_: object) -> str:
    """Return the words for a picture in the place of it."""
    return escape(tokens[index].content)


def _outward(_tag: str, name: str, value: str) -> str | None:
    """Keep an attribute, except for a link that would lead into this app."""
    return value if name != "href" or value.startswith(("https:", "http:", "mailto:")) else None


def model_summary(classifier: EmotionClassifier, say: Words = ENGLISH) -> str:
    """Return what the report says about a model."""
    report = classifier.report
    # Strangers write it.
    if report is None or not report.has_figures:
        what = say("report.none" if report is None else "report.unreadable")
        return f'<div class="em-hint"><b>{what}</b><p>{say("report.unknown")}</p></div>'
    parts = [
        _figures(report, say),
        _confusion(report.confusion_matrix, say),
        _per_class(report, say),
        _groups(report.groups, say),
        _plots(classifier, say),
        _limits(classifier, report.data.source, say),
    ]
    return f'<div class="em-report">{"".join(parts)}</div>'


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _figures(report: Report, say: Words) -> str:
    interval, faces = report.accuracy.interval, report.accuracy.faces
    low, high = (say.percent(end, 1) for end in interval) if interval else ("", "")
    notes = [say("report.between", low=low, high=high)] if interval else []
    if report.guessing is not None:
        notes.append(say("report.guessing", share=say.percent(report.guessing, 1)))
    rows = [("accuracy", "; ".join(notes)), *((name, say(f"report.{name}.note")) for name in SHOWN)]
    values = [(FIGURES[name].read(report), say(f"report.{name}"), note) for name, note in rows]
    cells = "".join(
        f"<div><dt>{name}</dt><dd>{say.percent(value, 1)}<small>{note}</small></dd></div>"
        for value, name, note in values
        if value is not None
    )
    measured = f"<p>{say('report.measured', faces=f'{faces:,}')}</p>" if faces else ""
    warnings = "".join(f'<p class="em-hint"><b>{escape(warning)}</b></p>' for warning in report.warnings)
    return _section(say("report.good"), f'{warnings}<dl class="em-figures">{cells}</dl>{measured}')


def _confusion(matrix: ConfusionMatrix, say: Words) -> str:
    if not matrix.faces:
        return ""
    head = "".join(f'<th scope="col">{label(name, say)}</th>' for name in matrix.labels)
    body = ""
    for name, row in zip(matrix.labels, matrix.counts, strict=True):
        total = max(sum(row), 1)
        cells = "".join(
            f'<td style="--share: {faces / total:.0%}">'
            f"<b>{say.percent(faces / total)}</b><small>{faces:,}</small></td>"
            for faces in row
        )
        body += f'<tr><th scope="row">{label(name, say)}</th>{cells}</tr>'
    table = f"""
<table class="em-matrix"><caption>{say("report.matrix")}</caption>
<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"""
    return _section(say("report.mixes"), _scrolling(table, say("report.mixes")))


def _scrolling(table: str, title: str) -> str:
    """Return a table that scrolls where it is wider than the screen, with the keyboard, too."""
    return f'<div class="em-scroll" role="region" tabindex="0" aria-label="{title}">{table}</div>'


def _per_class(report: Report, say: Words) -> str:
    rows = ""
    for name, figures in report.per_class.items():
        curve = report.roc.get(name)
        cells = "".join(
            f"<td>{percent(value)}</td>" for value in (figures.precision, figures.recall, figures.f1)
        )
        area = f"{curve.auc:.3f}" if curve and curve.auc is not None else "–"
        rows += (
            f'<tr><th scope="row">{label(name, say)}</th>{cells}<td>{area}</td>'
            f"<td>{figures.support:,}</td></tr>"
        )
    if not rows:
        return ""
    names = (say("report.precision"), say("report.recall"), "F1", say("report.area"), say("report.faces"))
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    table = f"""
<table class="em-table"><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>"""
    return _section(say("report.each"), _scrolling(table, say("report.each")))


def _plots(classifier: EmotionClassifier, say: Words) -> str:
    """Return the plots that lie beside the report; a visitor's model is pulled without them."""
    if classifier.folder is None:
        return ""
    shown = ""
    for name in SHOWN_PLOTS:
        file = classifier.folder / PLOTS_FOLDER / f"{name}.png"
        if file.is_file() and file.stat().st_size <= LARGEST_PLOT:
            source = base64.b64encode(file.read_bytes()).decode()
            title = say(f"report.{name}")
            shown += _section(
                title,
                f'<figure class="em-plot"><img src="data:image/png;base64,{source}" alt="{title}"'
                f' loading="lazy"><figcaption>{say(f"report.{name}.read")}</figcaption></figure>',
            )
    return shown


def _groups(groups: dict[str, GroupColumn], say: Words) -> str:
    if not groups:
        return _section(say("report.fair"), f"<p>{say('report.fair.unknown')}</p>")
    tables = "".join(_group_table(name, column, say) for name, column in groups.items())
    return _section(say("report.fair"), f"<p>{say('report.fair.how')}</p>{tables}")


def _group_table(name: str, column: GroupColumn, say: Words) -> str:
    rows = ""
    for group, figures in column.groups.items():
        cells = "".join(
            f"<td>{percent(value)}<small>{_between(interval)}</small></td>"
            for value, interval in (
                (figures.accuracy, figures.accuracy_interval),
                (figures.not_sure, figures.not_sure_interval),
                (figures.calibration_error, figures.calibration_error_interval),
            )
        )
        rows += f'<tr><th scope="row">{escape(group)}</th>{cells}<td>{figures.faces:,}</td></tr>'
    names = (
        escape(name),
        say("report.accuracy"),
        f"“{say('notSure')}”",
        say("report.calibration_error"),
        say("report.faces"),
    )
    head = "".join(f'<th scope="col">{each}</th>' for each in names)
    table = _scrolling(
        f'<table class="em-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>', escape(name)
    )
    # As the model's card says it, in English.
    lines = "".join(f"<li>{escape(line)}</li>" for line in gaps_in_words(name, column))
    return f"{table if rows else ''}<ul>{lines}</ul>"


def _between(interval: Interval | None) -> str:
    return f" {interval[0]:.1%} – {interval[1]:.1%}" if interval else ""


def _limits(classifier: EmotionClassifier, source: str | None, say: Words) -> str:
    knows = say(
        "report.limits.knows",
        labels=escape(say.alternatives(classifier.labels)),
        share=say.percent(classifier.threshold),
    )
    data = " " + say("report.limits.source", source=escape(source)) if source else ""
    others = "".join(f"<li>{say(f'report.limits.{name}')}</li>" for name in ("looks", "worse", "never"))
    return _section(say("report.limits"), f"<ul><li>{knows}{data}</li>{others}</ul>")
