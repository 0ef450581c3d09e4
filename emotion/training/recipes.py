"""Named settings of runs: what `--recipe NAME` sets, and the reasons."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from emotion.config import EVERYTHING_ELSE, OWN_TEACHER, TrainingConfig, public_source

# FER2013 was searched for by emotion words: 1.6 faces of the last three per neutral one, where AffectNet
# (Mollahosseini et al., 2017) has 0.37. How far to go was chosen on the calibration half, for AUROC.
PRIORS = ("neutral=1.5", "fear=0.1", "surprise=0.1", "disgust=0.1")

# FER2013's 48-pixel faces beside press photographs, of which few are angry or sad. Shown as often as they
# come, those teach that a sharp picture is neutral or happy; so the angry and sad ones are shown ten times as
# often, and press photographs make up a fifth of an epoch. No other shares were tried with these recipes.
TWO_SOURCES: dict[str, Any] = {
    "background": EVERYTHING_ELSE,
    "sampling": (
        "press/angry=10",
        "press/sad=10",
        "press/neutral=2",
        "press/surprise=2",
        "press/disgust=2",
        "press/fear=4",
    ),
    "soft_label_weight": 0.7,
    "background_votes": 0.5,
    "batch_size": 256,
    "learning_rate": 2.8e-3,
    "patience": 0,
    "weight_decay": 0.05,
    "shift": 0.09,
    "zoom": 0.22,
    "erasing": 0.3,
}

# What `--recipe NAME` sets; an option given beside it wins.
RECIPES: dict[str, dict[str, Any]] = {
    "best": {
        "background": EVERYTHING_ELSE,
        "prior_correction": PRIORS,
        "teacher_epochs": 70,
        "initial_weights": OWN_TEACHER,
        "epochs": 66,
        "patience": 0,
        "weight_decay": 0.05,
        "shift": 0.09,
        "zoom": 0.22,
        "erasing": 0.3,
        "ensemble_size": 2,
        "litert_precision": "int8",
    },
    # The next two made the embedded model, from FER2013 and press photographs; the README has the commands.
    "teacher": {
        **TWO_SOURCES,
        "width": 96,
        "blocks": (2, 2, 2),
        "dropout": 0.4,
        "epochs": 43,
    },
    "student": {
        **TWO_SOURCES,
        "prior_correction": PRIORS,
        "teacher_weight": 0.6,
        "teacher_views": "augmented",
        "dropout": 0.1,
        "epochs": 160,
        "litert_precision": "int8",
    },
}


def follow_recipe(name: str | None, given: dict[str, Any]) -> TrainingConfig:
    """Return the settings of a recipe, if any, with options of one's own, which win.

    The prior correction of a recipe holds for backgrounds only: what a folder's labels are, it cannot know.
    What it says about the sampling of a source holds where that source is given.

    Raises
    ------
    ValueError
        If a value is out of its range.
    """
    config = TrainingConfig(**{**(RECIPES.get(name, {}) if name else {}), **given})
    if "prior_correction" not in given:
        kept = tuple(
            entry for entry in config.prior_correction if entry.rpartition("=")[0] not in config.labels
        )
        config = replace(config, prior_correction=kept)
    if "sampling" not in given:
        sources = set(map(public_source, config.data)) if len(config.data) > 1 else set()
        kept = tuple(entry for entry in config.sampling if entry.rpartition("/")[0] in sources)
        config = replace(config, sampling=kept)
    return config
