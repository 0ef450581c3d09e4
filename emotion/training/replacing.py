"""Whether a model may take the place of one that is published: not if that one is better."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from emotion.config import as_sources
from emotion.errors import DataError, ModelLoadError, PublishError
from emotion.model.classifier import EmotionClassifier
from emotion.report.comparison import comparison_text
from emotion.training.comparing import common_labels, compare_models

logger = logging.getLogger(__name__)

REPLACE_ANYWAY = "--replace-better"


def compare_with_published(
    classifier: EmotionClassifier, reference: str, data: str | Sequence[str] | None, *, replace_better: bool
) -> None:
    """Tell how a model compares with a published one on the faces that neither was chosen on.

    Parameters
    ----------
    classifier : EmotionClassifier
        The new one.
    reference : str
        The published one, owner/name[@revision].
    data : str, sequence of str or None
        Labelled pictures; without any, nothing is compared.
    replace_better : bool
        Only tell.

    Raises
    ------
    PublishError
        If the published model is right more often, and that is hardly chance.
    DataError
        If the data cannot be used.
    """
    if data is None:
        logger.info("There is a model in %s already; --data FOLDER would compare the two first.", reference)
        return
    try:
        published = EmotionClassifier.from_pretrained(reference)
        common_labels([classifier, published])
    except (ModelLoadError, DataError) as error:
        logger.warning("The model that is in %s already cannot be compared with. %s", reference, error)
        return
    logger.info(
        "There is a model in %s already. Comparing the two on %s.", reference, " + ".join(as_sources(data))
    )
    comparison = compare_models([classifier, published], data)
    logger.info(comparison_text(comparison))
    (pair,) = comparison.pairs
    if pair.better == pair.second and not replace_better:
        raise PublishError(
            f"The model in {reference} is better than the new one, and that is hardly chance: it alone is "
            f"right on {pair.only_second} faces, the new one alone on {pair.only_first}. It was not "
            f"replaced. {REPLACE_ANYWAY} replaces it all the same; another name, or --revision, keeps both.",
            also=[REPLACE_ANYWAY],
        )
