"""The command line of training: what to do, then every hyperparameter of `TrainingConfig` as an option."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import Field, dataclass, fields, replace
from types import UnionType
from typing import Any, get_args, get_type_hints

from emotion import __version__
from emotion.config import EVERYTHING_ELSE, OWN_TEACHER, TrainingConfig, option_name, public_source
from emotion.program import TRAIN_COMMAND

DESCRIPTION = """Train a network on labelled face pictures, measure it, publish it.

{command} --data FOLDER                    train, calibrate, report; the model is in runs/<time>
{command} --data FOLDER --push             the same, then publish to <your user name>/facial-emotion
{command} --data FOLDER --recipe best      the best settings for FER2013; takes hours
{command} --resume --output runs/<time>    continue a run that was killed
{command} --evaluate MODEL --data FOLDER   measure a finished model
{command} --publish FOLDER --push          publish a saved model without training again
{command} --publish FOLDER --push --space  the same, with a Space that serves it
{command} --search 30 --data FOLDER        try 30 settings, save the best run; again with --output goes on
{command} --start MODEL --freeze --data F  fit only the last layer of a trained model, in minutes
"""

# Further spellings of a hyperparameter.
ALIASES = {"initial_weights": ("--start",)}


@dataclass(frozen=True)
class OnHub:
    """What `--push` or `--space [OWNER/NAME]` asks for; an empty name is <your user name>/facial-emotion."""

    name: str = ""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser: what to do, then every hyperparameter of `TrainingConfig`."""
    parser = argparse.ArgumentParser(
        prog=TRAIN_COMMAND.split()[-1],
        description=DESCRIPTION.format(command=TRAIN_COMMAND),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "--output", metavar="FOLDER", help="folder of the run (default: runs/<date and time>)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue the run in --output; loses at most one epoch"
    )
    parser.add_argument(
        "--evaluate", metavar="MODEL", help="measure a folder or owner/name[@revision] on --data"
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="start from the settings of any run, its training.json; options given beside it win",
    )
    parser.add_argument(
        "--recipe",
        choices=RECIPES,
        help="named settings; options given beside it win. "
        + "; ".join(
            f"{recipe}: "
            + " ".join(f"{option_name(name)} {_shown(value)}" for name, value in settings.items())
            for recipe, settings in RECIPES.items()
        ),
    )
    searching = parser.add_argument_group("searching for good settings")
    searching.add_argument(
        "--search",
        metavar="N",
        type=_at_least_one,
        help="try N settings and save the best run; goes on with, or joins, a search that is in --output",
    )
    searching.add_argument(
        "--over",
        metavar="NAME",
        nargs="+",
        type=_field_name,
        default=(),
        help="what to vary (default: whatever has a range to search, below, and is not given)",
    )
    publishing = parser.add_argument_group("publishing to the Hugging Face Hub")
    publishing.add_argument(
        "--push",
        metavar="OWNER/NAME",
        nargs="?",
        const=OnHub(),
        type=OnHub,
        help="publish; alone: <you>/facial-emotion",
    )
    publishing.add_argument(
        "--space",
        metavar="OWNER/NAME",
        nargs="?",
        const=OnHub(),
        type=OnHub,
        help="with --push: also create or update a Space that serves the model; alone: <you>/facial-emotion",
    )
    publishing.add_argument("--wait", action="store_true", help="follow the Space's build until it runs")
    publishing.add_argument("--publish", metavar="FOLDER", help="publish this saved folder and train nothing")
    publishing.add_argument(
        "--replace-better",
        action="store_true",
        help="publish even if the model that is there is better on --data, and that is hardly chance",
    )
    publishing.add_argument("--private", action="store_true", help="create the repositories as private")
    publishing.add_argument(
        "--revision", metavar="BRANCH", help="branch to publish to, or revision to evaluate"
    )
    publishing.add_argument("--tag", help="tag the published commit, for example v1.0")
    settings = parser.add_argument_group("hyperparameters (see emotion/config.py)")
    types = get_type_hints(TrainingConfig)
    for item in fields(TrainingConfig):
        spellings = (option_name(item.name), *ALIASES.get(item.name, ()))
        settings.add_argument(*spellings, dest=item.name, **_argument(types[item.name], item))
    return parser


def _argument(kind: Any, item: Field[Any]) -> dict[str, Any]:
    """Return argparse's description of one hyperparameter; one that is not given stays out of the result."""
    default, search = item.default, item.metadata["search"]
    notes = f"default: {_shown(default)}" + (f"; searched from {search}" if search else "")
    settings = {
        "default": argparse.SUPPRESS,
        "help": f"{item.metadata['help']} ({notes})".replace("%", "%%"),
    }
    if kind is bool:
        return settings | {"action": argparse.BooleanOptionalAction}
    if isinstance(kind, UnionType):
        kind = get_args(kind)[0]
    if isinstance(default, tuple):
        return settings | {"nargs": "*", "type": get_args(kind)[0], "metavar": "VALUE"}
    if choices := item.metadata["choices"]:
        return settings | {"type": kind, "choices": choices}
    return settings | {"type": kind, "metavar": "VALUE"}


def _at_least_one(typed: str) -> int:
    """Return how many runs a search makes."""
    number = int(typed)
    if number < 1:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return number


def _field_name(typed: str) -> str:
    """Return the field that an option sets: `--learning-rate`, `learning-rate` → `learning_rate`."""
    return typed.removeprefix("--").replace("-", "_")


def _shown(value: Any) -> str:
    """Return a value as it is typed on the command line."""
    return shlex.join(map(str, value)) if isinstance(value, tuple) else str(value)


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

    The prior correction of a recipe holds for backgrounds only: it cannot know a folder's labels. What it
    says about the sampling of a source holds where that source is given.
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
