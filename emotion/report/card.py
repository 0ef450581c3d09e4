"""The card that is published beside the weights, written from the report and the model's own settings.

Every figure comes from the report; what the report lacks, the card leaves out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

from emotion.config import (
    EMBEDDED,
    OWN_TEACHER,
    TrainingConfig,
    as_sources,
    defaults_of_run,
    option_name,
    public_source,
)
from emotion.predictions.display import decimal, harmless, listed, percent, table, words
from emotion.program import PACKAGE
from emotion.report.groups import GROUP_HEAD, gaps_in_words, group_row, people_gaps, people_row
from emotion.report.metadata import FACE_CAPTION, licence_section, marked, metadata
from emotion.report.pictures import data_section
from emotion.report.report import FIGURES, PLOTS, PLOTS_FOLDER, Report

PLACEHOLDER = "OWNER/NAME"
LITERT_FILE = "model.tflite"
ABSOLUTE_FOLDERS = re.compile(r"(?<![^\s'\"=])/(?:[^/\s'\"]+/)+")  # of a command: private
UNPUBLISHED = f"""

`{PLACEHOLDER}` stands for the model's name on the Hub, once it is published there. `EmotionClassifier` also
takes the model's folder."""

SUMMARY_FIGURES = (
    "found", "found_and_right", "top2_accuracy", "macro_f1", "calibration_error", "calibration_error_before",
    "calibration_error_by_chance", "confidence_auroc",
)  # fmt: skip

LITERT_PRECISIONS = {
    "float16": ", its weights in 16 bits",
    "int8": (
        ", its weights in 8 bits: its probabilities differ a little from Keras's, which the figures are about"
    ),
}

INTENDED_USE = """\
For demos, teaching, art, and programs that react to an expression a person shows on purpose.
Show the bars rather than one word, and tell people that a camera reads their face.

Not for decisions about people: hiring, grading, policing, insurance, health, or whether someone tells the
truth. **An expression is not a feeling.** People smile when they are not happy and are sad without showing
it; a network that names an expression knows nothing about what its owner feels.

The European Union prohibits systems that infer the emotions of people at work and in education, except
for medical or safety reasons (Regulation (EU) 2024/1689, the AI Act, Article 5(1)(f)). Elsewhere in the
Union people must be told that such a system looks at them (Article 50(3))."""

FER2013_LIMITS = """\
- The faces were found by web search in 2013 (FER2013; Goodfellow et al., "Challenges in representation
  learning", 2013): searches for words of emotion, cut out by a face detector, 48×48 pixels, grey. Much of
  it is posed, acted or stock photography.
- The labels are noisy: they follow the search words, and people who look at the same faces often disagree
  with them. No network can be measured more precisely than its labels.
- Age, gender, skin colour and origin were not recorded when the faces were collected. Expect worse results
  for people whom the pictures of 2013 rarely show: children, old people, people with dark skin, people who
  wear a headscarf, glasses or a mask, people with facial palsy or other facial differences, and cultures
  that show emotions in other ways."""

OTHER_LIMITS = """\
- The figures hold for faces like those measured, not for other cameras, ages, skin colours and cultures.
- Errors and biases in the labels and in the choice of pictures were learned too."""


NO_GROUPS = """\
How well the model works for different groups of people was **not measured**.
`train.py --evaluate MODEL --data FOLDER --groups CSV` measures it by age, skin tone, glasses, camera or any
other column."""

ABOUT_GROUPS = """\
Measured on the labelled faces, with 95% intervals. p is the probability that chance alone makes a gap this
large, corrected for the number of groups, columns and figures. Groups may also differ in which expressions
they show; groups that are not listed were not measured."""


def render(
    report: Report | None,
    emotion_json: dict[str, Any],
    *,
    repo_id: str | None = None,
    faces: Sequence[str] = (),
) -> str:
    """Return a model card, Markdown with the Hub's YAML metadata; what is missing is left out.

    The report's `model["command"]` is what made the model; without it, a command is built from `training`.
    `faces` are pictures of faces with the model's answers, by path beside the card.
    """
    report = report or Report()
    training = emotion_json.get("training") or {}
    source = report.data.source or " + ".join(public_data(training.get("data") or ())) or None
    sections = [
        metadata(report, source, training, repo_id=repo_id, faces=faces),
        _summary(report, emotion_json),
        _faces(faces, repo_id),
        _per_class(report),
        _not_sure(report),
        _sources(report),
        _groups(report),
        _robustness(report),
        _plots(report),
        f"## Intended use\n\n{INTENDED_USE}",
        f"## Limits\n\n{FER2013_LIMITS if is_fer2013(source) else OTHER_LIMITS}",
        licence_section(training),
        _loading(report, emotion_json, repo_id),
        training_section(report, emotion_json),
        data_section(report, source, training.get("data_note")),
    ]
    return marked("\n\n".join(section for section in sections if section))


def is_fer2013(source: str | None) -> bool:
    """Return whether the name of a data source says that it is FER2013."""
    return "fer2013" in (source or "").lower().replace("-", "").replace("_", "")


def _summary(report: Report, emotion_json: dict[str, Any]) -> str:
    labels = emotion_json.get("labels") or report.confusion_matrix.labels
    parts = [f"# Facial emotion: {', '.join(map(harmless, labels))}" if labels else "# Facial emotion"]
    parts.append(
        "A small network that takes one cropped face and returns the probability of each of these "
        "expressions, and how confident it is that the face shows any of them."
    )
    accuracy, split = report.accuracy, report.data.report_split
    # First, because it holds for every use of the model.
    parts[1:1] = [f"**{warning}**" for warning in report.warnings]
    if accuracy.value is not None:
        sentence = f"It names the right one for **{percent(accuracy.value)}** of {accuracy.faces} faces"
        if accuracy.interval:
            low, high = map(percent, accuracy.interval)
            sentence += f" (95% interval {low} to {high})"
        where = f" ({harmless(split)})" if split else ""
        guessing = f"; guessing reaches {percent(report.guessing)}" if report.guessing else ""
        parts.append(
            f"{sentence}{guessing}. These faces were used neither for training nor for tuning{where}."
        )
    rows = []
    for name in SUMMARY_FIGURES:
        figure = FIGURES[name]
        if (value := figure.read(report)) is not None:
            rows.append((figure.title, percent(value) if figure.percent else decimal(value)))
    parameters = report.model.get("parameters")
    if isinstance(parameters, int):
        rows.append(("Parameters", f"{parameters:,}"))
    parts.append(table(("figure", "value"), rows))
    return "\n\n".join(part for part in parts if part)


def _faces(faces: Sequence[str], repo_id: str | None) -> str:
    """Return pictures of the model's answers: the Hub's gallery, which takes them from the metadata."""
    if not faces:
        return ""
    pictures = "<Gallery />" if repo_id else " ".join(f"![{FACE_CAPTION}]({path})" for path in faces)
    return (
        f"What it says of made-up people, who were chosen because their expressions are clear:\n\n{pictures}"
    )


def _per_class(report: Report) -> str:
    rows = []
    for label, row in report.per_class.items():
        figures = (decimal(value) for value in (row.precision, row.recall, row.f1))
        rows.append((harmless(label), *figures, str(row.support)))
    text = table(("label", "precision", "recall", "F1", "faces"), rows)
    return text and f"## Figures per class\n\n{text}"


def _not_sure(report: Report) -> str:
    figures = report.not_sure
    if figures.threshold is None:
        return ""
    text = (
        "A classifier always has a best guess, even for a face that shows none of the expressions. So every "
        "answer comes with a `confidence` from 0 to 1: the probability of the best guess among all outputs. "
        f"Below **{figures.threshold:.3f}** the answer is “not sure” (`label` is `None`). The threshold was "
        "chosen on other faces than those measured here."
    )
    error, accuracy = figures.error_among_answered, report.accuracy.value
    if figures.coverage is not None:
        answered = percent(figures.coverage)
        text += f" With it, {answered} of the faces that show one of the expressions get an answer"
        if error is not None:
            text += f", and {percent(error)} of these answers are wrong"
            text += f" (without it: {percent(1 - accuracy)})" if accuracy is not None else ""
        text += "."
    if figures.background_not_sure:
        shares = [
            f"{percent(share)} of the {harmless(name)} faces"
            for name, share in figures.background_not_sure.items()
        ]
        text += f" Faces that show none of them are rightly “not sure”: {listed(shares)}."
    return f"## When it is not sure\n\n{text}"


def _sources(report: Report) -> str:
    rows = []
    for name, figures in report.sources.items():
        not_sure = figures.not_sure
        unsure = [
            f"{harmless(kind)} {percent(share)}" for kind, share in not_sure.background_not_sure.items()
        ]
        rows.append(
            (
                harmless(name),
                f"{percent(figures.accuracy.value)} of {figures.accuracy.faces}",
                percent(figures.guessing),
                percent(figures.balanced_accuracy),
                decimal(figures.calibration_error),
                f"{percent(not_sure.coverage)} / {percent(not_sure.error_among_answered)}",
                ", ".join(unsure) or "–",
                decimal(not_sure.background_auroc.get("neutral")),
            )
        )
    head = (
        "source",
        "accuracy",
        "guessing",
        "balanced accuracy",
        "calibration error",
        "answered / wrong among them",
        "“not sure” about the others",
        "AUROC of the confidence against neutral",
    )
    text = table(head, rows)
    return text and f"## Figures per source\n\nThe same figures for each data source.\n\n{text}"


def _groups(report: Report) -> str:
    if not report.groups and not report.people:
        return f"## Groups of people\n\n{NO_GROUPS}" if report.has_figures else ""
    parts = ["## Groups of people"]
    for number, (name, column) in enumerate(report.groups.items()):
        rows = [(harmless(group), *group_row(figures)) for group, figures in column.groups.items()]
        parts += ["" if number else ABOUT_GROUPS, table((harmless(name), *GROUP_HEAD), rows)]
        parts.append("\n".join(f"- {harmless(line)}" for line in gaps_in_words(name, column)))
    for figures in report.people:
        rows = [(harmless(group), *people_row(figures, group)) for group in figures.counts]
        parts += [f"### {harmless(figures.title)}", harmless(figures.about)]
        parts.append(table(("group", *map(harmless, figures.names())), rows))
        parts.append("\n".join(f"- {harmless(line)}" for line in people_gaps(figures)))
    return "\n\n".join(part for part in parts if part)


def _robustness(report: Report) -> str:
    figures = report.robustness
    if not figures:
        return ""
    rows = [("clean faces", percent(figures.clean))]
    rows += [(harmless(name), percent(value)) for name, value in figures.conditions.items()]
    rows.append(("**mean of the damaged**", f"**{percent(figures.mean)}**"))
    return (
        f"## Robustness\n\nAccuracy on the same faces, damaged.\n\n{table(('condition', 'accuracy'), rows)}"
    )


def _plots(report: Report) -> str:
    drawn = [(name, plot.title) for name, plot in PLOTS.items() if plot.has_figures(report)]
    images = [f"![{title}]({PLOTS_FOLDER}/{name}.png)" for name, title in drawn]
    return "\n\n".join(["## Plots", *images]) if images else ""


def _loading(report: Report, emotion_json: dict[str, Any], repo_id: str | None) -> str:
    unpublished = "" if repo_id else UNPUBLISHED
    repo_id = repo_id or PLACEHOLDER
    face, training = emotion_json.get("input"), emotion_json.get("training") or {}
    shape = "(n, {size}, {size}, {channels})".format(**face) if face else "(n, height, width, channels)"
    columns = ", ".join(output["name"] for output in emotion_json.get("outputs") or ()) or "see emotion.json"
    precision = LITERT_PRECISIONS.get(str(training.get("litert_precision")), "")
    if report.model.get("measured") == LITERT_FILE:
        precision = precision.partition(":")[0] + "; the figures are about this file"
    return f"""## How to load it

With the Python package `{PACKAGE}`, which finds the faces in a picture, calibrates the answers,
and says when it is not sure:

```
pip install {PACKAGE}
```

```python
from emotion import EmotionClassifier

classifier = EmotionClassifier.from_pretrained("{repo_id}")
for face in classifier.predict("photo.jpg"):
    print(face.box, face.label, face.probabilities)
```

With Keras alone, for faces that are already cropped:

```python
import keras

model = keras.saving.load_model("hf://{repo_id}")
probabilities = model.predict(faces)  # faces: float32 {shape} in 0..255
```{unpublished}

Its outputs, in this order: {columns}.

`model.tflite` is the same network for LiteRT{precision}.
`emotion.json` holds the meaning of every output, the temperature, the threshold and, where there are any, the
factors by which the labels are weighed against each other."""


def training_command(training: dict[str, Any], *, public: bool = True) -> str:
    """Return the `train.py` command that repeats a run; `public` drops the folders above its data."""
    defaults = defaults_of_run(training)
    data = training.get("data", defaults["data"])
    typed = ["python", "train.py", "--data", *(public_data(data) if public else as_sources(data))]
    for name, value in training.items():
        if name == "data" or name not in defaults or value == defaults[name]:
            continue
        if isinstance(value, bool):
            typed.append(option_name(name) if value else option_name(name).replace("--", "--no-", 1))
        else:
            values = value if isinstance(value, (list, tuple)) else ["" if value is None else value]
            typed += [option_name(name), *map(str, values)]
    return shlex.join(typed)


def training_section(report: Report, emotion_json: dict[str, Any]) -> str:
    """Return how a model was made: the command, what the network learned from, and every setting."""
    training = emotion_json.get("training") or {}
    about = {key: value for key, value in report.model.items() if value is not None}
    command = str(about.pop("command", ""))
    # The command that resumed a run repeats nothing on its own.
    if training and (not command or "--resume" in command.splitlines()[0].split()):
        command = training_command(training)
    if not command:
        return ""
    versions = emotion_json.get("versions") or {}
    rows = [(words(key), harmless(value)) for key, value in about.items()]
    rows += [(f"{harmless(library)} version", harmless(version)) for library, version in versions.items()]
    if "data" in training:
        training = training | {"data": " + ".join(public_data(training["data"]))}
    settings = [(f"`{key}`", harmless(value)) for key, value in training.items() if value is not None]
    parts = [
        "## Training",
        f"```\n{ABSOLUTE_FOLDERS.sub('', command)}\n```",
        _ended_early(report, training),
        table(("", ""), rows),
        _targets_and_priors(training),
    ]
    if taught := training.get("taught"):
        parts.append(
            f"Then its last layer was fitted to {harmless(taught)}: it may suit no other face, and was not "
            "measured again."
        )
    if settings:
        hyperparameters = table(("setting", "value"), settings)
        parts.append(f"<details><summary>All hyperparameters</summary>\n\n{hyperparameters}\n\n</details>")
    return "\n\n".join(part for part in parts if part)


def _ended_early(report: Report, training: dict[str, Any]) -> str:
    """Say how the command gives this model where Ctrl-C ended the run that it began."""
    trained = report.model.get("epochs_trained")
    if not report.model.get("ended") or not trained:
        return ""
    return (
        f"Ctrl-C ended this run after epoch {harmless(trained)} of "
        f"{harmless(training.get('epochs', 'more'))}. "
        "The command repeats it if it is ended there, too; left alone, it trains all epochs."
    )


def _targets_and_priors(training: dict[str, Any]) -> str:
    """Say what the network learned from beside the labels, and how often it expects which class."""
    try:
        config = TrainingConfig.from_dict(training)
    except ValueError:  # untrusted settings
        return ""
    lines = [*_targets(config), *_networks(config)]
    if config.balance_labels:
        lines.append("The calibration serves every label alike, however rare it was among the pictures.")
    if config.prior_correction:
        factors = [harmless(factor.replace("=", " × ")) for factor in config.prior_correction]
        lines.append(
            "The answers allow for classes that occur more or less often in use than among the training "
            f"pictures: {listed(factors)}."
        )
    return " ".join(lines)


def _targets(config: TrainingConfig) -> list[str]:
    lines: list[str] = []
    if config.soft_labels:
        votes = f"the shares of the votes in `{public_source(config.soft_labels)}`"
        lines.append(
            f"The labels are {votes}."
            if config.soft_label_weight == 1
            else f"{percent(config.soft_label_weight)} of each label are {votes}, the rest is the folder's."
        )
    teachers = [f"`{name}`" for name in config.teacher]
    if config.teacher_epochs:
        teachers.append(f"a network that was trained first, for {config.teacher_epochs} epochs")
    if teachers:
        lines.append(
            f"{percent(config.teacher_weight)} of each target was learned from the answers of "
            f"{' and '.join(teachers)} (distillation), the rest from the labels."
        )
        if config.teacher_views != "clean":
            lines.append("They saw each face with the network's augmentation.")
    return lines


def _model(reference: str) -> str:
    return f"the model embedded in {PACKAGE}" if reference == EMBEDDED else f"`{harmless(reference)}`"


def _networks(config: TrainingConfig) -> list[str]:
    lines: list[str] = []
    if config.initial_weights == OWN_TEACHER:
        lines.append("Training started from the weights of that network.")
    elif config.initial_weights:
        only = ", of which only the last layer was fitted" if config.freeze else ""
        lines.append(f"Training started from the weights of {_model(config.initial_weights)}{only}.")
    if config.background_teacher:
        lines.append(
            "Classes that belong to no label and had no pictures were learned from the answers of "
            f"{_model(config.background_teacher)}."
        )
    if config.teacher or config.members or config.initial_weights not in (None, OWN_TEACHER):
        lines.append(
            "The figures assume that these earlier networks were not trained on the faces held out here."
        )
    if config.ensemble_size > 1:
        lines.append(
            f"The answers are the mean of {config.ensemble_size} networks; each after the first was "
            "trained from new weights, with the first as its teacher."
        )
    if config.members:
        others = listed([f"`{harmless(name)}`" for name in config.members])
        lines.append(f"The answers are averaged with those of {others}.")
    return lines


def public_data(data: object) -> list[str]:
    """Return the data sources of a run, of which older versions knew one, without the folders above them."""
    return [public_source(str(source)) for source in (data if isinstance(data, (list, tuple)) else [data])]
