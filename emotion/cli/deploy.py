"""Put the app on the Hub as a Space that serves a published model."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from emotion.cli.output import DONE
from emotion.errors import PublishError
from emotion.program import TRAIN_COMMAND

SUMMARY: str = "Create or update a Space on the Hugging Face Hub that serves a published model."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument(
        "--model", metavar="OWNER/NAME", required=True, help="a model on the Hub; @revision may follow"
    )
    parser.add_argument(
        "--space",
        metavar="OWNER/NAME",
        default="",
        help="where to put the app (default: under your name, named after the model)",
    )
    parser.add_argument("--private", action="store_true", help="create the Space as private")
    parser.add_argument(
        "--hardware", metavar="NAME", help="what a new Space runs on, for example cpu-upgrade"
    )
    parser.add_argument(
        "--space-kind",
        choices=["gradio", "zerogpu", "static"],
        help="of a new Space: a Gradio app, the same on ZeroGPU, or a page that runs in visitors' browsers"
        " (default: the first that your account may have)",
    )
    parser.add_argument("--wait", action="store_true", help="wait until it runs; show its log if it fails")


def run(options: argparse.Namespace) -> int:
    """Deploy; return the exit status."""
    from emotion.program import log_to_terminal
    from emotion.space.deploy import deploy_and_print
    from emotion.space.kinds import Kind

    log_to_terminal()
    if Path(options.model).is_dir():
        raise PublishError(
            f"{options.model} is a folder, and a Space serves a published model. To publish both:\n"
            f"    {TRAIN_COMMAND} --publish {shlex.quote(options.model)} --push --space"
        )
    model, _, revision = options.model.partition("@")
    deploy_and_print(
        model,
        options.space,
        revision=revision or None,
        private=options.private,
        hardware=options.hardware,
        kind=Kind(options.space_kind) if options.space_kind else None,
        wait=options.wait,
    )
    return DONE
