"""How a model treats women and men, ages and origins, on pictures that it was neither trained nor tuned on.

python -m benchmarks.people ../shared/worlds
python -m benchmarks.people ../shared/worlds --model runs/today --into runs/today   # also into its card

The folder holds `kdef/<emotion>/*` with `groups.csv` (columns image and sex), and `groups/<group>/*`, faces
without emotion labels.
"""

import argparse
import csv
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from emotion import EmotionClassifier
from emotion.errors import EmotionError
from emotion.report.groups import PeopleFigures, aligned, people_gaps, people_row

ABOUT_POSED = (
    "Posed portraits from a laboratory (half of the persons of KDEF), small, judged by their owners' labels. "
    "Recognised: the likeliest label is the right one; called an emotion: a neutral face that gets a label."
)
ABOUT_GROUPS = (
    "Faces from the web, at most 120 a group, sorted by age, sex and origin as their owners judged. They "
    "have no emotion labels, so these are not error rates: they show how often each group gets an answer, "
    "and how often that answer is angry."
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="the pictures")
    parser.add_argument("--model", help="owner/name or a folder; by default the embedded model")
    parser.add_argument("--into", type=Path, help="write the figures to this saved model's report and card")
    options = parser.parse_args()
    try:
        classifier = EmotionClassifier.from_pretrained(options.model)
        figures = (
            PeopleFigures("Women and men, posed", ABOUT_POSED, posed(classifier, options.folder)),
            PeopleFigures("Ages and origins", ABOUT_GROUPS, answered(classifier, options.folder / "groups")),
        )
        for own in figures:
            rows = [(group, *people_row(own, group)) for group in own.counts]
            print(own.title, aligned([("", *own.names()), *rows]), *people_gaps(own), "", sep="\n")
        if options.into:
            saved = EmotionClassifier.from_pretrained(options.into)
            report = replace(saved.report, people=figures)
            EmotionClassifier(
                saved.network, saved.description, report=report, folder=saved.folder
            ).save_pretrained(options.into)
    except EmotionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def posed(classifier: EmotionClassifier, folder: Path) -> dict[str, dict[str, tuple[int, int]]]:
    """Count for each sex how often each emotion is recognised, and neutral faces are called one."""
    with (folder / "groups.csv").open(encoding="utf-8", newline="") as file:
        sexes = {row["image"]: row["sex"] for row in csv.DictReader(file)}
    hits: dict[str, dict[str, list[bool]]] = {}
    for name, sex in tqdm(sorted(sexes.items()), "Portraits"):
        emotion = name.split("/")[1]
        best, label = looked_at(classifier, folder / name)
        figure = f"{emotion} recognised" if emotion in classifier.labels else f"{emotion} called an emotion"
        hit = best == emotion if emotion in classifier.labels else label is not None
        hits.setdefault(sex, {}).setdefault(figure, []).append(hit)
    return counted(hits)


def answered(classifier: EmotionClassifier, folder: Path) -> dict[str, dict[str, tuple[int, int]]]:
    """Count for each folder how many faces get an answer, and how many of the answers are "angry"."""
    hits: dict[str, dict[str, list[bool]]] = {}
    for path in tqdm(sorted(folder.glob("*/*")), "Groups"):
        _, label = looked_at(classifier, path)
        own = hits.setdefault(path.parent.name, {"answered": [], "angry among the answered": []})
        own["answered"].append(label is not None)
        if label is not None:
            own["angry among the answered"].append(label == "angry")
    return counted(hits)


def looked_at(classifier: EmotionClassifier, path: Path) -> tuple[str | None, str | None]:
    """Return the likeliest label of the largest face, and the label that is named; None for none."""
    faces = classifier.predict(path)
    if not faces:
        return None, None
    bars = faces[0].probabilities
    return max(bars, key=lambda label: bars[label]), faces[0].label


def counted(hits: dict[str, dict[str, Iterable[bool]]]) -> dict[str, dict[str, tuple[int, int]]]:
    """Return hits and faces of every figure."""
    return {
        group: {name: (sum(own), len(list(own))) for name, own in figures.items()}
        for group, figures in hits.items()
    }


if __name__ == "__main__":
    sys.exit(main())
