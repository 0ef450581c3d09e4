"""Train a network on labelled face pictures, measure it, publish it.

python train.py --data FOLDER                    train, calibrate, report; the model is in runs/<time>
python train.py --data FOLDER --push             the same, then publish to <your user name>/facial-emotion
python train.py --data FOLDER --recipe best      the settings that made the embedded model; takes hours
python train.py --resume --output runs/<time>    continue a run that was killed
python train.py --evaluate MODEL --data FOLDER   measure a finished model
python train.py --publish FOLDER --push          publish a saved model without training again
"""

import argparse
import logging
import os
import shlex
import sys
from dataclasses import MISSING, fields
from datetime import datetime
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_type_hints

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's greetings hide the messages that matter

from emotion.config import RECIPES, TrainingConfig, follow_recipe, option_name
from emotion.errors import EmotionError
from emotion.report.metrics import public_source


def main(arguments: list[str] | None = None) -> int:
    """Parse, call the package, print the result; return the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for client in ("httpx", "httpx2"):  # one line per request, with signed addresses in it
        logging.getLogger(client).setLevel(logging.WARNING)
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        if options.publish:
            return publish(options.publish, options)
        if options.evaluate:
            return evaluate(options)
        return train(
            options, shlex.join(["python", "train.py", *map(public_source, arguments or sys.argv[1:])])
        )
    except (EmotionError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130


def train(options: argparse.Namespace, command: str) -> int:
    """Train, report and, if asked, publish."""
    from huggingface_hub import get_token

    from emotion.training.fit import load_run_config
    from emotion.training.runs import summarise, train_model

    given = {
        item.name: getattr(options, item.name) for item in fields(TrainingConfig) if item.name in options
    }
    if options.resume:
        if not options.output:
            raise ValueError("--resume needs --output, the folder of the run to continue.")
        config = TrainingConfig.from_dict({**load_run_config(options.output).to_dict(), **given})
    else:
        config = follow_recipe(options.recipe, given)
    if options.push is not None and not get_token():
        print("You are not signed in to the Hub: the model will be saved and can be published later.")
    output = Path(options.output or f"runs/{datetime.now():%Y-%m-%d_%H-%M-%S}")
    classifier = train_model(config, output, resume=options.resume, command=command)
    print(summarise(classifier.report))
    print(f"The model, its card and its plots are in {output}. Try it: EMOTION_MODEL={output} python app.py")
    return publish(output, options) if options.push is not None else 0


def evaluate(options: argparse.Namespace) -> int:
    """Measure a finished model."""
    from emotion.training.runs import evaluate_model, summarise

    output = Path(options.output or f"runs/{datetime.now():%Y-%m-%d_%H-%M-%S}-evaluation")
    data = getattr(options, "data", None)
    if not data:
        raise ValueError("--evaluate needs --data, the labelled pictures to measure on.")
    report = evaluate_model(options.evaluate, data, output, revision=options.revision)
    print(summarise(report))
    print(f"The whole report and its plots are in {output}.")
    return 0


def publish(folder: str | os.PathLike, options: argparse.Namespace) -> int:
    """Publish a saved folder."""
    from emotion.classifier import EmotionClassifier

    url = EmotionClassifier.from_pretrained(folder).push_to_hub(
        options.push or None, private=options.private, revision=options.revision, tag=options.tag
    )
    print(f"Published: {url}")
    return 0


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
        "--push", metavar="OWNER/NAME", nargs="?", const="", help="publish; alone: <you>/facial-emotion"
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


def _argument(kind: Any, item: Any) -> dict[str, Any]:
    """Return argparse's description of one hyperparameter; one that is not given stays out of the result."""
    assert item.default is not MISSING
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
    if choices := item.metadata.get("choices"):
        settings["choices"] = choices
    else:
        settings["metavar"] = "VALUE"
    return settings | {"type": kind}


def _shown(value: Any) -> str:
    """Return a value as it is typed on the command line."""
    return shlex.join(map(str, value)) if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    sys.exit(main())
