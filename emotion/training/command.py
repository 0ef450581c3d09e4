"""`train.py` and the command `facial-emotion-train`: parse, call the package, print.

Nothing is imported that may be missing before the terminal has said so.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from emotion.errors import EmotionError
from emotion.program import APP_COMMAND, INSTALL_TRAINING, TRAIN_COMMAND, log_to_terminal, silent_stderr

if TYPE_CHECKING:
    import argparse

    from emotion.config import TrainingConfig


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, measure or publish as asked; return the exit status."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        from emotion.training.arguments import parse

        options = parse(arguments)
        refuse_unreachable_data(options)
        load_keras()
        log_to_terminal()
        if options.publish:
            publish(options.publish, options, getattr(options, "data", ()))
        elif options.evaluate:
            evaluate(options)
        elif options.recalibrate:
            recalibrate(options, arguments)
        elif options.search:
            search(options)
        else:
            train(options, arguments)
    except ImportError as error:
        print(f"error: {error}. Training needs more than the app; type: {INSTALL_TRAINING}", file=sys.stderr)
        return 2
    except (EmotionError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    return 0


def train(options: argparse.Namespace, arguments: Sequence[str]) -> None:
    """Train, report and, if asked, publish."""
    from huggingface_hub import get_token

    from emotion.training.evaluation import summary
    from emotion.training.runs import train_model
    from emotion.training.tracking import Tracking

    config = chosen_config(options)
    if config.freeze and (options.track or options.co2):
        raise ValueError("--freeze fits one layer in one step: --track and --co2 would show nothing.")
    if options.push and get_token() is None:
        print("You are not signed in to the Hub: the model will be saved and can be published later.")
    output = options.output or new_folder()
    classifier = train_model(
        config,
        output,
        resume=options.resume,
        overwrite=options.overwrite,
        command=public_command(arguments),
        tracking=Tracking(bool(options.track), options.track.name if options.track else "", options.co2),
    )
    print(summary(classifier.report))
    if classifier.folder is None:
        print("This computer only helped: the first one that is named in the environment has the model.")
        return
    print(f"The model, its card and its plots are in {output}. Try it: EMOTION_MODEL={output} {APP_COMMAND}")
    if options.push:
        publish(output, options, config.data)


def search(options: argparse.Namespace) -> None:
    """Look for good settings; report and, if asked, publish the best run."""
    from emotion.training.search import search_settings, search_summary

    given = given_settings(options)
    output = options.output or new_folder("-search")
    try:
        outcome = search_settings(
            chosen_config(options),
            output,
            trials=options.search,
            given=given,
            over=options.over,
            join=not (given.keys() - {"data"} or options.over or options.recipe or options.config),
        )
    except KeyboardInterrupt:
        print(
            f"The search is kept in {output}. To continue it: {TRAIN_COMMAND} --search {options.search} "
            f"--output {output}"
        )
        raise
    print(search_summary(outcome, output))
    if options.push and outcome.report:
        publish(output, options, outcome.config.data)


def evaluate(options: argparse.Namespace) -> None:
    """Measure a finished model."""
    from emotion.training.evaluation import summary
    from emotion.training.runs import evaluate_model

    if "data" not in options:
        raise ValueError("--evaluate needs --data, the labelled pictures to measure on.")
    output = options.output or new_folder("-evaluation")
    also = {name: getattr(options, name, None) for name in ("groups", "people")}
    report = evaluate_model(options.evaluate, options.data, output, **also, revision=options.revision)
    print(summary(report))
    print(f"The whole report and its plots are in {output}.")


def recalibrate(options: argparse.Namespace, arguments: Sequence[str]) -> None:
    """Calibrate a finished model anew; report and, if asked, publish."""
    from emotion.training.evaluation import summary
    from emotion.training.recalibration import recalibrate_model

    if "data" not in options:
        raise ValueError("--recalibrate needs --data, labelled pictures of which half are calibrated on.")
    output = options.output or new_folder("-recalibrated")
    classifier = recalibrate_model(
        options.recalibrate,
        options.data,
        output,
        balance=getattr(options, "balance_labels", False),
        about=given_about(options),
        revision=options.revision,
        command=public_command(arguments),
        overwrite=options.overwrite,
    )
    print(summary(classifier.report))
    print(f"The model, its card and its plots are in {output}. Try it: EMOTION_MODEL={output} {APP_COMMAND}")
    if options.push:
        publish(output, options, options.data)


def publish(folder: str, options: argparse.Namespace, data: Sequence[str]) -> None:
    """Publish a saved folder, unless the published model is better on the data; if asked, also the app."""
    from emotion.config import option_name
    from emotion.space.deploy import deploy_and_print
    from emotion.space.kinds import Kind
    from emotion.training.publishing import publish_model

    repository = options.push.name if options.push else ""
    about = given_about(options)
    typed = [word for name, value in about.items() for word in (option_name(name), str(value))]
    url = publish_model(
        folder,
        repository or None,
        private=options.private,
        revision=options.revision,
        tag=options.tag,
        also=[*_space_options(options), *typed, *(["--data", *data] if data else [])],
        data=data or None,
        about=about,
        replace_better=options.replace_better,
        publish_anyway=options.publish_anyway,
    )
    print(f"Published: {url}")
    if options.space:
        deploy_and_print(
            repository,
            options.space.name,
            revision=options.revision,
            private=options.private,
            kind=Kind(options.space_kind) if options.space_kind else None,
            wait=options.wait,
        )


def _space_options(options: argparse.Namespace) -> list[str]:
    """Return what was typed about the Space, for a command that does the same later."""
    if not options.space:
        return []
    kind = ["--space-kind", options.space_kind] if options.space_kind else []
    return ["--space", *filter(None, [options.space.name]), *kind, *(["--wait"] if options.wait else [])]


def public_command(arguments: Sequence[str]) -> str:
    """Return the command line for the card, without the folders that lead to files."""
    from emotion.config import public_source

    return shlex.join([*TRAIN_COMMAND.split(), *map(public_source, arguments)])


def given_about(options: argparse.Namespace) -> dict[str, Any]:
    """Return what was typed about the model's licence and pictures."""
    from emotion.config import ABOUT

    return {name: getattr(options, name) for name in ABOUT if name in options}


def given_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return the hyperparameters that were typed."""
    from emotion.config import TrainingConfig

    return {item.name: getattr(options, item.name) for item in fields(TrainingConfig) if item.name in options}


def chosen_config(options: argparse.Namespace) -> TrainingConfig:
    """Return the settings of a run: what was typed wins over a file, a recipe or an earlier run."""
    from emotion.training.arguments import refuse_without_effect
    from emotion.training.folder import load_run_config, read_settings
    from emotion.training.runs import starting_config

    given = given_settings(options)
    if options.resume and not options.search:
        if not options.output:
            raise ValueError("--resume needs --output, the folder of the run to continue.")
        return replace(load_run_config(options.output), **given)
    if options.config and options.recipe:
        raise ValueError("--config and --recipe both say where to start: give one of them.")
    begun = read_settings(options.config) if options.config else {}
    config = starting_config(options.recipe, begun, given)
    refuse_without_effect(config, given)
    return config


def refuse_unreachable_data(options: argparse.Namespace) -> None:
    """Raise a DataError where a run would have nothing to train on, before Keras is loaded."""
    from emotion.config import DEFAULT_DATA
    from emotion.data.sources import refuse_unreachable

    if not (options.publish or options.evaluate or options.recalibrate or options.resume or options.config):
        refuse_unreachable(getattr(options, "data", (DEFAULT_DATA,)))


def load_keras() -> None:
    """Load Keras and its backend without their greetings; an ImportError names what is missing."""
    needed = ("keras", os.environ.get("KERAS_BACKEND") or "tensorflow")
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        raise ImportError(f"Not installed: {', '.join(missing)}")
    with silent_stderr():
        importlib.import_module("keras")


def new_folder(suffix: str = "") -> str:
    """Return the folder of a run that was given none."""
    return f"runs/{datetime.now():%Y-%m-%d_%H-%M-%S}{suffix}"
