"""The command line of training: what to do, then every hyperparameter of `TrainingConfig` as an option."""

from __future__ import annotations

import argparse
import difflib
import shlex
from collections.abc import Collection, Sequence
from dataclasses import Field, dataclass, replace
from itertools import combinations
from types import UnionType
from typing import Any, NoReturn, get_args, get_type_hints

from emotion import __version__
from emotion.config import ABOUT, EVERYTHING_ELSE, OWN_TEACHER, TrainingConfig, option_name, public_source
from emotion.program import TRAIN_COMMAND

SETTINGS = TrainingConfig.__dataclass_fields__
TYPES = get_type_hints(TrainingConfig)
DESCRIPTION = """Train a network on labelled face pictures, measure it, publish it.

{command} --data FOLDER                    train, calibrate, report; the model is in runs/<time>
{command} --data FOLDER --push             the same, then publish to <your user name>/facial-emotion
{command} --resume --output runs/<time>    continue a run that was interrupted
{command} --evaluate MODEL --data FOLDER   measure a finished model
{command} --recalibrate MODEL --data FOLDER --balance-labels   fit its calibration anew; the network stays
{command} --publish FOLDER --push --space  publish a saved model, and a Space that serves it
{command} --search 30 --data FOLDER        try 30 settings, save the best run; --output continues it
{command} --start MODEL --freeze --data F  fit only the last layer of a trained model, in minutes
"""

# Further spellings of a hyperparameter.
ALIASES = {"initial_weights": ("--start",)}
# What `--help` shows; `--help-all` shows the rest too.
EVERYDAY = {"data", "labels", "background", "people", "initial_weights", "epochs"}
# The first field of each group in the order of `TrainingConfig`.
GROUPS = {
    "data": "data",
    "teacher": "teachers and starting points",
    "architecture": "network",
    "epochs": "optimisation",
    "precision": "hardware",
    "flip": "augmentation",
}
METAVARS = {
    "data": "SOURCE", "labels": "NAME", "background": "NAME", "sampling": "NAME=TIMES", "soft_labels": "CSV",
    "groups": "CSV", "people": "CSV-OR-PATTERN", "teacher": "MODEL", "background_teacher": "MODEL",
    "initial_weights": "MODEL",
    "members": "MODEL", "architecture": "NAME", "prior_correction": "NAME=FACTOR", "image_size": "PIXELS",
    "rotation": "DEGREES", "cache_mib": "MIB",
}  # fmt: skip
# Options that do nothing without one of the others.
NEEDED = {
    **dict.fromkeys(["space", "private", "tag", "replace_better", "publish_anyway"], ("push", "publish")),
    **dict.fromkeys(["wait", "space_kind"], ("space",)),
    "revision": ("push", "publish", "evaluate", "recalibrate"),
    "over": ("search",),
}
# What a task other than training takes; the rest would do nothing. The Hub's options are in `NEEDED`, too.
ON_HUB = (
    "push", "space", "space_kind", "wait", "private", "revision", "tag", "replace_better", "publish_anyway",
)  # fmt: skip
TAKEN_BY = {
    "publish": ("data", *ABOUT, *ON_HUB),
    "evaluate": ("data", "groups", "people", "output", "revision"),
    "recalibrate": ("data", "balance_labels", *ABOUT, "output", "overwrite", *ON_HUB),
}
TASKS = (*TAKEN_BY, "search")
# Options that exclude each other.
APART = (
    *combinations(TASKS, 2),
    *(("resume", other) for other in ("search", "overwrite", "recipe", "config")),
    *(("search", other) for other in ("overwrite", "track", "co2")),
)
# Settings that do nothing unless one of the others is set.
SETTINGS_NEEDED = {
    "soft_label_weight": ("soft_labels",),
    "background_votes": ("soft_labels",),
    "teacher_weight": ("teacher", "teacher_epochs"),
    "teacher_views": ("teacher", "teacher_epochs"),
}
# Settings of one network.
SETTINGS_OF = {
    "width": "resnet", "blocks": "resnet",
    "filters": "lenet5", "kernel_size": "lenet5", "dense_units": "lenet5", "l2": "lenet5",
}  # fmt: skip
# What does nothing where only the last layer is fitted, in one step.
NOT_FROZEN = frozenset(
    """
    epochs batch_size learning_rate warmup_epochs weight_decay label_smoothing ema_share
    normalization_batches patience dropout l2 sampling ensemble_size teacher_views cache_mib devices
    flip rotation shift zoom brightness contrast degrade erasing
    """.split()
)


@dataclass(frozen=True)
class OnHub:
    """What `--push` or `--space [OWNER/NAME]` asks for; an empty name is <your user name>/facial-emotion."""

    name: str = ""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what was typed; unknown options, and options that would do nothing, are a ValueError."""
    parser = build_parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        name = unknown[0].partition("=")[0]
        known = [spelling for action in parser._actions for spelling in action.option_strings]  # noqa: SLF001
        near = difflib.get_close_matches(name, known, n=3)
        if not name.startswith("-"):
            near = [f"--data {shlex.quote(name)}"]
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"There is no option {name}.{hint} --help-all lists all of them.")
    for first, second in APART:
        if getattr(options, first) and getattr(options, second):
            raise ValueError(f"--{first} and --{second} exclude each other. Leave one of them out.")
    for name, needed in NEEDED.items():
        if getattr(options, name) and not any(getattr(options, other) for other in needed):
            raise _needs(name, needed)
    for task, taken in TAKEN_BY.items():
        # A setting that is not typed is not there; another option has an empty value.
        typed = {name for name, value in vars(options).items() if value or name in SETTINGS}
        useless = typed - {task, *taken}
        if getattr(options, task) and useless:
            names = ", ".join(map(_typed, sorted(useless)))
            raise ValueError(f"--{task} trains nothing, so that {names} would do nothing. Leave it out.")
    return options


def refuse_without_effect(config: TrainingConfig, given: Collection[str]) -> None:
    """Raise a ValueError for a typed setting that changes nothing in a run."""
    for name in given:
        if config.freeze and name in NOT_FROZEN:
            raise ValueError(f"{_typed(name)} does nothing with --freeze. Leave it out.")
        needed = SETTINGS_NEEDED.get(name, ())
        if needed and not any(getattr(config, other) for other in needed):
            raise _needs(name, needed)
        own = SETTINGS_OF.get(name, config.architecture)
        if own != config.architecture and config.architecture in SETTINGS_OF.values():
            raise ValueError(f"{_typed(name)} is a setting of --arch {own}. Leave it out.")


def _needs(name: str, needed: Sequence[str]) -> ValueError:
    return ValueError(
        f"{_typed(name)} needs {' or '.join(map(_typed, needed))}: without it, it does nothing."
    )


def _typed(name: str) -> str:
    """Return an option as it is typed, also one that is no setting of training."""
    return option_name(name) if name in SETTINGS else f"--{name.replace('_', '-')}"


def build_parser(*, everything: bool = False) -> argparse.ArgumentParser:
    """Return the parser; its help shows the common options, or `everything`."""
    parser = _Parser(
        prog=TRAIN_COMMAND.split()[-1],
        usage="%(prog)s --data FOLDER [OPTION ...]",
        description=DESCRIPTION.format(command=TRAIN_COMMAND),
        epilog=None if everything else "--help-all shows every option, with ranges and the reasons.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--help-all", action=_HelpAll, nargs=0, help="show every option and exit")
    parser.add_argument("--version", action="version", version=__version__)
    common = parser.add_argument_group("common options")
    for name in SETTINGS:
        if name in EVERYDAY:
            _add_setting(common, name)
    common.add_argument(
        "--output", metavar="FOLDER", help="folder of the run (default: runs/<date and time>)"
    )
    common.add_argument("--recipe", choices=RECIPES, help="named settings; options that you give win")
    common.add_argument("--resume", action="store_true", help="continue the run in --output")
    common.add_argument("--overwrite", action="store_true", help="start again in an --output that is in use")
    common.add_argument("--evaluate", metavar="MODEL", help="measure a finished model on --data")
    common.add_argument(
        "--recalibrate", metavar="MODEL", help="keep a model's network; fit its calibration anew on --data"
    )
    common.add_argument("--search", metavar="N", type=_at_least_one, help="try N settings, save the best run")
    hub = {"nargs": "?", "const": OnHub(), "type": OnHub, "metavar": "OWNER/NAME"}
    common.add_argument("--push", **hub, help="publish to the Hub (default: <you>/facial-emotion)")
    common.add_argument("--space", **hub, help="also publish a Space that serves the model")
    common.add_argument(
        "--space-kind",
        choices=["gradio", "zerogpu", "static"],
        help="of a new Space (default: the first that your account may have)",
    )
    common.add_argument(
        "--track", **hub, help="show the curves in trackio: on this computer, or in the Space OWNER/NAME"
    )
    common.add_argument("--publish", metavar="FOLDER", help="publish this saved folder and train nothing")

    hidden: dict[str, str] = {} if everything else {"help": argparse.SUPPRESS}
    group: Any = parser.add_argument_group("running and publishing") if everything else common
    for name, settings in RARE.items():
        group.add_argument(name, **settings | hidden)
    group = common
    for name in SETTINGS:
        if everything and name in GROUPS:
            group = parser.add_argument_group(GROUPS[name])
        if name not in EVERYDAY:
            _add_setting(group, name, **hidden)
    return parser


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, where argparse prints every option first."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message[0].upper()}{message[1:]}. --help lists the common options.")


class _HelpAll(argparse.Action):
    """Prints every option."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> NoReturn:
        build_parser(everything=True).print_help()
        parser.exit()


def _add_setting(group: Any, name: str, **changed: Any) -> None:
    """Add a hyperparameter, with arguments `changed`; one that is not typed stays out of the result."""
    settings = _argument(TYPES[name], SETTINGS[name]) | {"default": argparse.SUPPRESS, "dest": name}
    group.add_argument(option_name(name), *ALIASES.get(name, ()), **settings | changed)


def _argument(kind: Any, item: Field[Any]) -> dict[str, Any]:
    """Return argparse's description of one hyperparameter."""
    default, search = item.default, item.metadata["search"]
    notes = f"default: {_shown(default)}" + (f"; searched from {search}" if search else "")
    settings: dict[str, Any] = {"help": f"{item.metadata['help']} ({notes})".replace("%", "%%")}
    if kind is bool:
        return settings | {"action": argparse.BooleanOptionalAction}
    if isinstance(kind, UnionType):
        kind = get_args(kind)[0]
    if choices := item.metadata["choices"]:
        return settings | {"type": kind, "choices": choices}
    if isinstance(default, tuple):
        kind = get_args(kind)[0]
        settings["nargs"] = "*"
    limits = item.metadata["range"]
    is_share = kind is float and 1 in (limits.maximum, limits.below)
    derived = "SHARE" if is_share else "NUMBER" if kind is float else "N"
    return settings | {"type": kind, "metavar": METAVARS.get(item.name, derived)}


def _at_least_one(typed: str) -> int:
    """Return how many runs a search makes."""
    number = int(typed)
    if number < 1:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return number


def _field_name(typed: str) -> str:
    """Return the field that an option sets: `--learning-rate`, `learning-rate` → `learning_rate`."""
    return typed.removeprefix("--").replace("-", "_")


# Options that only `--help-all` shows, as argparse takes them.
RARE: dict[str, dict[str, Any]] = {
    "--config": {"metavar": "FILE", "help": "start from the settings of any run, its training.json"},
    "--over": {
        "metavar": "NAME",
        "nargs": "+",
        "type": _field_name,
        "default": (),
        "help": "what a search varies (default: everything that has a range and is not given)",
    },
    "--co2": {"metavar": "COUNTRY", "help": "estimate the run's CO2 for the card; DEU, USA, …: whose mains"},
    "--wait": {"action": "store_true", "help": "follow the Space's build until it runs"},
    "--private": {"action": "store_true", "help": "create the repositories as private"},
    "--revision": {"metavar": "BRANCH", "help": "branch to publish to, or revision to evaluate"},
    "--tag": {"metavar": "NAME", "help": "tag the published commit, for example v1.0"},
    "--replace-better": {"action": "store_true", "help": "publish even over a model that is better"},
    "--publish-anyway": {"action": "store_true", "help": "publish even a model that may be guessing"},
}


def _shown(value: Any) -> str:
    """Return a value as it is typed on the command line."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return (shlex.join(map(str, value)) if isinstance(value, tuple) else str(value)) or "none"


# FER2013 was searched for by emotion words: 1.6 faces of the last three per neutral one, where AffectNet
# (Mollahosseini et al., 2017) has 0.37. How far to go was chosen on the calibration half, for AUROC.
PRIORS = ("neutral=1.5", "fear=0.1", "surprise=0.1", "disgust=0.1")

# What keeps long runs from learning their pictures by heart.
LONG_RUN: dict[str, Any] = {"patience": 0, "weight_decay": 0.05, "shift": 0.09, "zoom": 0.22, "erasing": 0.3}

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
    **LONG_RUN,
}

# What `--recipe NAME` sets; an option given beside it wins.
RECIPES: dict[str, dict[str, Any]] = {
    "best": {
        "background": EVERYTHING_ELSE,
        "prior_correction": PRIORS,
        "teacher_epochs": 70,
        "initial_weights": OWN_TEACHER,
        "epochs": 66,
        **LONG_RUN,
        "ensemble_size": 2,
        "litert_precision": "int8",
    },
    # The next two made the embedded model, from FER2013 and press photographs; the README has the commands.
    "teacher": {**TWO_SOURCES, "width": 96, "blocks": (2, 2, 2), "dropout": 0.4, "epochs": 43},
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
