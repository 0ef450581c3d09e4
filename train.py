"""Train a network on labelled face pictures, measure it, publish it.

python train.py --data FOLDER                    train, calibrate, report; the model is in runs/<time>
python train.py --data FOLDER --push             the same, then publish to <your user name>/facial-emotion
python train.py --data FOLDER --recipe best      the settings that made the embedded model; takes hours
python train.py --resume --output runs/<time>    continue a run that was killed
python train.py --evaluate MODEL --data FOLDER   measure a finished model
python train.py --publish FOLDER --push          publish a saved model without training again
"""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import Field, dataclass, fields
from datetime import datetime
from types import UnionType
from typing import Any, get_args, get_type_hints

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's greetings hide the messages that matter

from emotion.config import RECIPES, TrainingConfig, follow_recipe, option_name, public_source
from emotion.errors import EmotionError


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, call the package, print the result; return the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = build_parser().parse_args(arguments)
    try:
        if options.publish:
            publish(options.publish, options)
        elif options.evaluate:
            evaluate(options)
        else:
            train(options, shlex.join(["python", "train.py", *map(public_source, arguments)]))
    except (EmotionError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    return 0


def train(options: argparse.Namespace, command: str) -> None:
    """Train, report and, if asked, publish."""
    from emotion.training.runs import can_publish, continued_config, train_model
    from emotion.training.terminal import log_to_terminal, summary

    log_to_terminal()
    given = {
        item.name: getattr(options, item.name) for item in fields(TrainingConfig) if item.name in options
    }
    if options.resume and not options.output:
        raise ValueError("--resume needs --output, the folder of the run to continue.")
    config = (
        continued_config(options.output, given) if options.resume else follow_recipe(options.recipe, given)
    )
    if options.push and not can_publish():
        print("You are not signed in to the Hub: the model will be saved and can be published later.")
    output = options.output or new_folder()
    classifier = train_model(config, output, resume=options.resume, command=command)
    print(summary(classifier.report))
    print(f"The model, its card and its plots are in {output}. Try it: EMOTION_MODEL={output} python app.py")
    if options.push:
        publish(output, options)


def evaluate(options: argparse.Namespace) -> None:
    """Measure a finished model."""
    from emotion.training.runs import evaluate_model
    from emotion.training.terminal import log_to_terminal, summary

    log_to_terminal()
    if "data" not in options:
        raise ValueError("--evaluate needs --data, the labelled pictures to measure on.")
    output = options.output or new_folder("-evaluation")
    print(summary(evaluate_model(options.evaluate, options.data, output, revision=options.revision)))
    print(f"The whole report and its plots are in {output}.")


def publish(folder: str, options: argparse.Namespace) -> None:
    """Publish a saved folder."""
    from emotion.training.runs import publish_model
    from emotion.training.terminal import log_to_terminal

    log_to_terminal()
    repository = options.push.repository if options.push else ""
    url = publish_model(
        folder, repository or None, private=options.private, revision=options.revision, tag=options.tag
    )
    print(f"Published: {url}")


def new_folder(suffix: str = "") -> str:
    """Return the folder of a run that was given none."""
    return f"runs/{datetime.now():%Y-%m-%d_%H-%M-%S}{suffix}"


@dataclass(frozen=True)
class Push:
    """What `--push [OWNER/NAME]` asks for; an empty name is <your user name>/facial-emotion."""

    repository: str = ""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser: what to do, then every hyperparameter of `TrainingConfig`."""
    parser = argparse.ArgumentParser(
        prog="train.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
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
        "--recipe",
        choices=RECIPES,
        help="named settings; options given beside it win. best: "
        + " ".join(f"{option_name(name)} {_shown(value)}" for name, value in RECIPES["best"].items()),
    )
    publishing = parser.add_argument_group("publishing to the Hugging Face Hub")
    publishing.add_argument(
        "--push",
        metavar="OWNER/NAME",
        nargs="?",
        const=Push(),
        type=Push,
        help="publish; alone: <you>/facial-emotion",
    )
    publishing.add_argument("--publish", metavar="FOLDER", help="publish this saved folder and train nothing")
    publishing.add_argument("--private", action="store_true", help="create the repository as private")
    publishing.add_argument(
        "--revision", metavar="BRANCH", help="branch to publish to, or revision to evaluate"
    )
    publishing.add_argument("--tag", help="tag the published commit, for example v1.0")
    settings = parser.add_argument_group("hyperparameters (see emotion/config.py)")
    types = get_type_hints(TrainingConfig)
    for item in fields(TrainingConfig):
        settings.add_argument(option_name(item.name), dest=item.name, **_argument(types[item.name], item))
    return parser


def _argument(kind: Any, item: Field[Any]) -> dict[str, Any]:
    """Return argparse's description of one hyperparameter; one that is not given stays out of the result."""
    default = item.default
    settings = {
        "default": argparse.SUPPRESS,
        "help": f"{item.metadata['help']} (default: {_shown(default)})".replace("%", "%%"),
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


def _shown(value: Any) -> str:
    """Return a value as it is typed on the command line."""
    return shlex.join(map(str, value)) if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    sys.exit(main())
