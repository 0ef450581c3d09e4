"""Compare models on the same labelled faces: which is better, and may that be chance."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from emotion.cli.output import DONE
from emotion.errors import ModelLoadError
from emotion.program import INSTALL_TRAINING

if TYPE_CHECKING:
    from emotion.model.classifier import EmotionClassifier

SUMMARY = "Tell which of several models is better on labelled faces, and whether that may be chance."

EMBEDDED = "embedded"  # stands for the model that comes with the program


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = (
        "A folder runs/<date and time>-comparison (or --output) then holds all figures as JSON, wrong\n"
        "answers against faces answered as a plot, and the faces that the models differ on as a sheet.\n"
        "The sheet shows people: it is for looking at and never published."
    )
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help=f"folder, owner/name[@revision], somebody's .keras or .tflite file, or '{EMBEDDED}'",
    )
    parser.add_argument(
        "--data", required=True, nargs="+", metavar="FOLDER", help="labelled pictures, as for train.py"
    )
    parser.add_argument("--votes", metavar="CSV", help="votes per picture: image,<label>,<label>,…")
    parser.add_argument(
        "--groups", metavar="CSV", help="groups to measure each on its own: image,<any columns>"
    )
    parser.add_argument(
        "--outputs",
        nargs="+",
        action="append",
        default=[],
        metavar="NAME",
        help="what the numbers of a .keras or .tflite file mean, in order: angry happy sad neutral …; given "
        "again for a second file, and so on",
    )
    parser.add_argument(
        "--pixels",
        nargs=2,
        type=float,
        action="append",
        default=[],
        metavar=("BLACK", "WHITE"),
        help="what such a file expects of pixels, such as 0 1 or -1 1 (default: 0 255); may be repeated, too",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of a table")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where plot and sheet are written")


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
    print(f"The figures, a plot and the faces that they differ on are in {output}.", file=sys.stderr)
    return DONE


def load_models(
    references: Sequence[str], outputs: Sequence[Sequence[str]], pixels: Sequence[Sequence[float]]
) -> list[EmotionClassifier]:
    """Load models; the files of others take what was given for them in their order, or the one for all."""
    from emotion.model.classifier import EmotionClassifier
    from emotion.model.foreign import PIXEL_RANGE, is_foreign, load_foreign

    loaded: list[EmotionClassifier] = []
    files = [reference for reference in references if is_foreign(reference)]
    for name, given in (("--outputs", outputs), ("--pixels", pixels)):
        if len(given) > 1 and len(given) != len(files):
            raise ModelLoadError(
                f"{name} was given {len(given)} times, and {len(files)} of the models are files. Give it "
                "once for all, or once for each of these."
            )
    for reference in references:
        if reference == EMBEDDED:
            loaded.append(EmotionClassifier.from_pretrained())
        elif is_foreign(reference):
            number = len([own for own in loaded if own.folder is None])
            names = outputs[number % len(outputs)] if outputs else ()
            low, high = pixels[number % len(pixels)] if pixels else PIXEL_RANGE
            loaded.append(load_foreign(reference, names, (low, high)))
        else:
            loaded.append(EmotionClassifier.from_pretrained(reference))
        if loaded[-1].notice:
            print(loaded[-1].notice, file=sys.stderr)
    return loaded
