"""Compare models on the same labelled faces: which is better, and whether that may be chance."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from emotion.cli.output import DONE, load_model
from emotion.errors import ModelLoadError
from emotion.program import INSTALL_TRAINING

if TYPE_CHECKING:
    from emotion.model.classifier import EmotionClassifier

SUMMARY: str = "Compare models on labelled faces: which is better, and may that be chance?"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = (
        "The folder runs/<date and time>-comparison (or --output) then holds all figures as JSON, a plot of\n"
        "wrong answers against faces answered, and a sheet of the faces on which the models differ. The\n"
        "sheet shows people: look at it, but do not publish it."
    )
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="folder, owner/name[@revision], a .keras or .tflite file, or 'embedded'",
    )
    parser.add_argument(
        "--data", required=True, nargs="+", metavar="FOLDER", help="labelled pictures, as for train.py"
    )
    parser.add_argument("--votes", metavar="CSV", help="votes per picture: image,<label>,<label>,…")
    parser.add_argument(
        "--groups", metavar="CSV", help="groups that are measured separately: image,<any columns>"
    )
    parser.add_argument(
        "--outputs",
        nargs="+",
        action="append",
        default=[],
        metavar="NAME",
        help="names of a .keras or .tflite file's outputs, in order: angry happy sad neutral …; repeat it "
        "for a second file",
    )
    parser.add_argument(
        "--pixels",
        nargs=2,
        type=float,
        action="append",
        default=[],
        metavar=("BLACK", "WHITE"),
        help="range of pixel values that such a file expects, such as 0 1 or -1 1 (default: 0 255)",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of a table")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where the files are written")


def run(options: argparse.Namespace) -> int:
    """Compare the models and print the result; return the exit status."""
    try:
        from emotion.report.comparison import comparison_text
        from emotion.training.comparing import compare_models
    except ImportError as error:
        raise ModelLoadError(
            f"{error}. Comparing needs more than the app; type: {INSTALL_TRAINING}"
        ) from error
    classifiers = load_models(options.models, options.outputs, options.pixels)
    output = options.output or Path(f"runs/{datetime.now():%Y-%m-%d_%H-%M-%S}-comparison")
    comparison = compare_models(
        classifiers, options.data, votes=options.votes, groups=options.groups, output=output
    )
    print(json.dumps(comparison.to_dict(), indent=1) if options.json else comparison_text(comparison))
    print(f"The figures, the plot and the sheet are in {output}.", file=sys.stderr)
    return DONE


def load_models(
    references: Sequence[str], outputs: Sequence[Sequence[str]], pixels: Sequence[Sequence[float]]
) -> list[EmotionClassifier]:
    """Load models; each network file takes the next `outputs` and `pixels`, or all take the only ones."""
    from emotion.model.foreign import PIXEL_RANGE, is_foreign, load_foreign

    loaded: list[EmotionClassifier] = []
    files = [reference for reference in references if is_foreign(reference)]
    for name, given in (("--outputs", outputs), ("--pixels", pixels)):
        if len(given) > 1 and len(given) != len(files):
            raise ModelLoadError(
                f"{name} was given {len(given)} times for {len(files)} network files. Give it once for all, "
                "or once for each."
            )
    for reference in references:
        if is_foreign(reference):
            number = len([own for own in loaded if own.folder is None])
            names = outputs[number % len(outputs)] if outputs else ()
            low, high = pixels[number % len(pixels)] if pixels else PIXEL_RANGE
            loaded.append(load_foreign(reference, names, (low, high)))
        else:
            loaded.append(load_model(reference))
    return loaded
