"""Publishing a saved model: not one that guesses, and not over one that is better, unless asked to."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Unpack

from emotion.config import as_sources
from emotion.errors import DataError, ModelLoadError, PublishError
from emotion.model.classifier import EmotionClassifier
from emotion.model.publish import Destination, publish, publish_command
from emotion.predictions.calibration import TWO_SIDED_95
from emotion.predictions.display import percent
from emotion.report.comparison import comparison_text
from emotion.report.report import Accuracy, Report
from emotion.training.comparing import common_labels, compare_models

logger = logging.getLogger(__name__)

REPLACE_BETTER, PUBLISH_ANYWAY = "--replace-better", "--publish-anyway"


def publish_model(
    folder: str | os.PathLike[str],
    repo_id: str | None = None,
    *,
    also: Sequence[str] = (),
    data: str | Sequence[str] | None = None,
    about: Mapping[str, str | None] | None = None,
    replace_better: bool = False,
    publish_anyway: bool = False,
    **destination: Unpack[Destination],
) -> str:
    """Publish a saved folder to the Hub and return its address.

    `repo_id` is by default "<your user name>/facial-emotion". `also` are further options of the command that
    publishes later. A model that is already there is kept where it is better and that is unlikely to be
    chance, by what both answer on `data`, labelled pictures, or by the reports that both bring;
    `replace_better` replaces it. A model that may be no better than guessing is refused, unless
    `publish_anyway`. `about` may state `license`, `license_note` and `data_note` in place of the model's own.
    """
    classifier = EmotionClassifier.from_pretrained(folder)
    if about:
        training = classifier.description.training | dict(about)
        classifier.description = replace(classifier.description, training=training)
    report = classifier.report
    if report and report.is_guessing and not publish_anyway:
        command = publish_command(folder, repo_id, also=[*also, PUBLISH_ANYWAY], **destination)
        raise PublishError(
            f"{report.warnings[0]} It was not published. More pictures, and a look at their labels, help "
            f"most. To publish it all the same:\n    {command}"
        )

    def compare_first(reference: str) -> None:
        compare_with_published(classifier, reference, data, replace_better=replace_better)

    return publish(
        folder,
        repo_id,
        also=[*also, *([PUBLISH_ANYWAY] if publish_anyway else [])],
        card=classifier.render_card,
        before_replacing=compare_first,
        **destination,
    )


def compare_with_published(
    classifier: EmotionClassifier, reference: str, data: str | Sequence[str] | None, *, replace_better: bool
) -> None:
    """Say how a model compares with the published `reference`; refuse to replace a better one.

    On `data` both are asked about faces that neither was chosen on. Without it their reports are compared,
    each about its own faces.
    """
    try:
        published = EmotionClassifier.from_pretrained(reference)
        common_labels([classifier, published])
    except (ModelLoadError, DataError) as error:
        logger.warning("The model already in %s cannot be compared with this one. %s", reference, error)
        return
    if data is None:
        better = _better_by_report(classifier.report, published.report, reference)
    else:
        logger.info(
            "There is a model in %s already. Comparing the two on %s.",
            reference,
            " + ".join(as_sources(data)),
        )
        comparison = compare_models([classifier, published], data)
        logger.info(comparison_text(comparison))
        (pair,) = comparison.pairs
        better = pair.better == pair.second and (
            f"it alone is right on {pair.only_second} faces, the new one alone on {pair.only_first}"
        )
    if better and not replace_better:
        raise PublishError(
            f"The model in {reference} is better than the new one, and that is unlikely to be chance: "
            f"{better}. It was not replaced. {REPLACE_BETTER} replaces it all the same; another name, or "
            "--revision, keeps both.",
            also=[REPLACE_BETTER],
        )


def _better_by_report(new: Report | None, published: Report | None, reference: str) -> str | None:
    """Return how a published model is better by what both reports say, None where it is not."""
    logger.info(
        "There is a model in %s already; --data FOLDER would compare the two on the same faces.", reference
    )
    if new is None or published is None:
        return None
    ours, theirs = new.accuracy, published.accuracy
    if ours.value is None or theirs.value is None:
        return None
    error = math.hypot(_standard_error(ours), _standard_error(theirs))
    if theirs.value - ours.value <= TWO_SIDED_95 * error:
        return None
    return (
        f"by its own report it is right for {percent(theirs.value)} of {theirs.faces} faces, the new one for "
        f"{percent(ours.value)} of {ours.faces}; --data FOLDER compares them on the same faces"
    )


def _standard_error(accuracy: Accuracy) -> float:
    value = accuracy.value or 0.0
    return math.sqrt(value * (1 - value) / max(accuracy.faces, 1))
