"""The card that is published beside the weights, written from the report and the model's own settings.

No figure is made up here: what the report does not hold is left out of the card."""

from __future__ import annotations

import re
import shlex
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from emotion.config import OWN_TEACHER, TrainingConfig, option_name
from emotion.report.metrics import public_source

LICENSE = "mit"
TAGS = ["emotion-recognition", "facial-expression-recognition", "litert", "tflite"]
PLACEHOLDER = "OWNER/NAME"
UNPUBLISHED = f"""

`{PLACEHOLDER}` stands for its name on the Hub, once it is published there. `EmotionClassifier` also takes the folder
that it lies in."""
ABSOLUTE_FOLDERS = re.compile(r"(?<![^\s'\"=])/(?:[^/\s'\"]+/)+")  # of a command: nobody's business

PLOTS = {  # file below plots/: what it shows
    "confusion_matrix": "Confusion matrix",
    "roc": "ROC of each label against the rest",
    "calibration": "Calibration before and after temperature scaling",
    "risk_coverage": "Wrong answers against faces answered",
    "robustness": "Accuracy on damaged faces",
    "training": "Loss and accuracy while training",
}

LITERT_PRECISIONS = {
    "float16": ", its weights in 16 bits",
    "int8": ", its weights in 8 bits: its probabilities differ a little from Keras's, which the figures are about",
}

INTENDED_USE = """\
For trying out, teaching, art, and programs that react to an expression which a person shows on purpose.
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
- Nobody recorded age, gender, skin colour or origin, so how well it does for any group of people is not
  known. Expect it to do worse for those whom the pictures of 2013 rarely show: children, old people,
  people with dark skin, people who wear a headscarf, glasses or a mask, people whose face moves differently
  after a stroke or by birth, and cultures that show emotions in other ways."""

OTHER_LIMITS = """\
- The figures hold for faces like the ones they were measured on. Other cameras, ages, skin colours and
  cultures were not measured unless the data had them.
- Whatever is wrong or one-sided in the labels and in the choice of pictures, the network has learned too."""


def render(report: dict[str, Any] | None, emotion_json: dict[str, Any], *, repo_id: str | None = None) -> str:
    """Write a model card as Markdown with the Hub's YAML metadata.

    Parameters
    ----------
    report : dict or None
        The content of `report.json`, see `evaluation.build_report`; None for a model without one. Its
        `model.command` is what made the model; without it, a command is put together from `training`.
    emotion_json : dict
        The content of `emotion.json`, see `classifier.Description`; whatever is missing is left out.
    repo_id : str, optional
        Where it will be published, "owner/name".
    """
    report = report or {}
    training = emotion_json.get("training") or {}
    source = _get(report, "data", "source") or training.get("data")
    sections = [
        metadata(report, source, repo_id=repo_id),
        _summary(report, emotion_json),
        _per_class(report),
        _not_sure(report),
        _robustness(report),
        _plots(report),
        f"## Intended use\n\n{INTENDED_USE}",
        f"## Limits\n\n{FER2013_LIMITS if is_fer2013(source) else OTHER_LIMITS}",
        _loading(emotion_json, repo_id),
        _training(report, emotion_json, training),
        _data(report, source),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def metadata(report: dict[str, Any], source: str | None, *, repo_id: str | None) -> str:
    """The card's YAML block, with the measured metrics as `model-index`."""
    dataset = public_source(source) if source else None
    on_hub = dataset.removeprefix("hf:").split("@")[0] if dataset and dataset.startswith("hf:") else None
    metrics = {
        "accuracy": ("Accuracy", _get(report, "accuracy", "value")),
        "f1": ("Macro F1", report.get("macro_f1")),
        "expected_calibration_error": (
            "Expected calibration error (15 bins)",
            _get(report, "calibration", "expected_calibration_error_after"),
        ),
    }
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=on_hub or "imagefolder",
            dataset_name=dataset or "labelled pictures",
            dataset_split=_get(report, "data", "report_split"),
            metric_type=kind,
            metric_name=name,
            metric_value=value,
        )
        for kind, (name, value) in metrics.items()
        if value is not None
    ]
    card = ModelCardData(
        license=LICENSE,
        library_name="keras",
        pipeline_tag="image-classification",
        tags=TAGS,
        datasets=[on_hub] if on_hub else None,
        metrics=["accuracy", "f1"] if results else None,
        model_name=(repo_id or "facial-emotion").split("/")[-1],
        eval_results=results or None,
    )
    return f"---\n{card.to_yaml()}\n---"


def training_command(training: dict[str, Any]) -> str:
    """The `train.py` command that repeats a run: every setting that is not the default."""
    defaults = TrainingConfig().to_dict()
    words = ["python", "train.py", "--data", public_source(str(training.get("data", defaults["data"])))]
    for name, value in training.items():
        if name == "data" or name not in defaults or value == defaults[name]:
            continue
        if isinstance(value, bool):
            words.append(option_name(name) if value else option_name(name).replace("--", "--no-", 1))
        elif value is not None:
            values = value if isinstance(value, list | tuple) else [value]
            words += [option_name(name), *map(str, values)]
    return shlex.join(words)


def is_fer2013(source: str | None) -> bool:
    """Whether the name of a data source says that it is FER2013."""
    return "fer2013" in (source or "").lower().replace("-", "").replace("_", "")


def _summary(report: dict[str, Any], emotion_json: dict[str, Any]) -> str:
    labels = emotion_json.get("labels") or _get(report, "confusion_matrix", "labels") or []
    parts = [f"# Facial emotion: {', '.join(map(_text, labels))}" if labels else "# Facial emotion"]
    parts.append(
        "A small network that looks at one cropped face and says how likely it shows each of these "
        "expressions, and how sure it is that it shows any of them."
    )
    accuracy, interval = _get(report, "accuracy", "value"), _get(report, "accuracy", "interval")
    if accuracy is not None:
        sentence = (
            f"It names the right one for **{_percent(accuracy)}** of {report['accuracy']['faces']} faces"
        )
        sentence += f" (95 % interval {_percent(interval[0])} to {_percent(interval[1])})" if interval else ""
        split = _get(report, "data", "report_split")
        parts.append(
            f"{sentence}. It was neither trained nor tuned on them{f' ({_text(split)})' if split else ''}."
        )
    rows = [
        ("Top-2 accuracy", _percent(report.get("top2_accuracy"))),
        ("Macro F1", _decimal(report.get("macro_f1"))),
        (
            "Expected calibration error, 15 bins",
            _decimal(_get(report, "calibration", "expected_calibration_error_after")),
        ),
        (
            "… before temperature scaling",
            _decimal(_get(report, "calibration", "expected_calibration_error_before")),
        ),
        (
            "… of perfectly calibrated answers on so few faces, by chance",
            _decimal(_get(report, "calibration", "expected_calibration_error_by_chance")),
        ),
        (
            "AUROC of the confidence, labelled faces against others",
            _decimal(_get(report, "not_sure", "confidence_auroc")),
        ),
        ("Parameters", _count(_get(report, "model", "parameters"))),
    ]
    parts.append(_table(("figure", "value"), [row for row in rows if row[1]]))
    return "\n\n".join(part for part in parts if part)


def _per_class(report: dict[str, Any]) -> str:
    rows = [
        (
            _text(label),
            *(_decimal(row[key]) or "–" for key in ("precision", "recall", "f1")),
            str(row["support"]),
        )
        for label, row in (report.get("per_class") or {}).items()
    ]
    table = _table(("label", "precision", "recall", "F1", "faces"), rows)
    return table and f"## Figures per class\n\n{table}"


def _not_sure(report: dict[str, Any]) -> str:
    figures = report.get("not_sure") or {}
    if figures.get("threshold") is None:
        return ""
    text = (
        "A network always has a favourite, even for a face that shows nothing. So every answer comes with a "
        "`confidence` from 0 to 1: the probability of the favourite, among everything the network knows. "
        f"Below **{figures['threshold']:.3f}** the answer is “not sure” (`label` is `None`). That limit was "
        "chosen on faces that none of the figures here are about."
    )
    coverage, error = figures.get("coverage"), figures.get("error_among_answered")
    if coverage is not None:
        text += f" With it, {_percent(coverage)} of the faces that show one of the expressions get an answer"
        text += f", and {_percent(error)} of these answers are wrong" if error is not None else ""
        accuracy = _get(report, "accuracy", "value")
        text += (
            f" (without it: {_percent(1 - accuracy)})" if error is not None and accuracy is not None else ""
        )
        text += "."
    background = figures.get("background_not_sure") or {}
    if background:
        shares = [f"{_percent(share)} of the {_text(name)} faces" for name, share in background.items()]
        text += f" Faces that show none of them rightly come out “not sure”: {_list(shares)}."
    return f"## When it is not sure\n\n{text}"


def _robustness(report: dict[str, Any]) -> str:
    figures = report.get("robustness")
    if not figures:
        return ""
    rows = [("clean faces", _percent(figures["clean"]))]
    rows += [(_text(name), _percent(value)) for name, value in figures["conditions"].items()]
    rows.append(("**mean of the damaged**", f"**{_percent(figures['mean'])}**"))
    return (
        f"## Robustness\n\nAccuracy on the same faces, damaged.\n\n{_table(('condition', 'accuracy'), rows)}"
    )


def _plots(report: dict[str, Any]) -> str:
    drawn = {
        "confusion_matrix": _get(report, "accuracy", "faces"),
        "roc": any(curve["auc"] is not None for curve in (report.get("roc") or {}).values()),
        "calibration": _get(report, "calibration", "bins"),
        "risk_coverage": _get(report, "not_sure", "risk_coverage"),
        "robustness": report.get("robustness"),
        "training": any((report.get("history") or {}).values()),
    }
    images = [f"![{title}](plots/{name}.png)" for name, title in PLOTS.items() if drawn[name]]
    return images and "## Plots\n\n" + "\n\n".join(images)


def _loading(emotion_json: dict[str, Any], repo_id: str | None) -> str:
    unpublished = "" if repo_id else UNPUBLISHED
    repo_id = repo_id or PLACEHOLDER
    size, channels = _get(emotion_json, "input", "size"), _get(emotion_json, "input", "channels")
    shape = f"(n, {size}, {size}, {channels})" if size and channels else "(n, height, width, channels)"
    outputs = [output["name"] for output in emotion_json.get("outputs") or []]
    columns = f"{', '.join(outputs)}" if outputs else "see emotion.json"
    precision = _get(emotion_json, "training", "litert_precision")
    return f"""## How to load it

With the program it belongs to; it finds the faces in a picture, calibrates, and says when it is not sure:

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

`model.tflite` is the same network for LiteRT{LITERT_PRECISIONS.get(precision, "")}.
`emotion.json` holds the meaning of every output, the temperature and the threshold."""


def _training(report: dict[str, Any], emotion_json: dict[str, Any], training: dict[str, Any]) -> str:
    about = {key: value for key, value in (report.get("model") or {}).items() if value is not None}
    command = about.pop("command", None)
    if (not command or "--resume" in command.splitlines()[0].split()) and training:
        command = training_command(training)  # the command that resumed a run repeats nothing on its own
    if not command:
        return ""
    parts = ["## Training", f"```\n{ABSOLUTE_FOLDERS.sub('', command)}\n```"]
    versions = emotion_json.get("versions") or {}
    rows = [(_words(key), _text(value)) for key, value in about.items()]
    rows += [(f"{_text(library)} version", _text(version)) for library, version in versions.items()]
    parts.append(_table(("", ""), rows))
    parts.append(_targets_and_priors(training))
    settings = {**training, "data": public_source(str(training["data"]))} if "data" in training else training
    table = _table(
        ("setting", "value"),
        [(f"`{key}`", _text(value)) for key, value in settings.items() if value is not None],
    )
    parts.append(table and f"<details><summary>All hyperparameters</summary>\n\n{table}\n\n</details>")
    return "\n\n".join(part for part in parts if part)


def _targets_and_priors(training: dict[str, Any]) -> str:
    """Say what the network learned from beside the labels, and how often it expects which class."""
    teachers = [f"`{name}`" for name in training.get("teacher") or ()]
    if training.get("teacher_epochs"):
        teachers.append(f"a network that was trained first, for {training['teacher_epochs']} epochs")
    lines = []
    if votes := training.get("soft_labels"):
        lines.append(f"The labels are the shares of the votes in `{public_source(votes)}`.")
    if teachers:
        lines.append(
            f"{training['teacher_weight']:.0%} of each target was learned from the answers of "
            f"{' and '.join(teachers)} (distillation), the rest from the labels."
        )
    if training.get("start") == OWN_TEACHER:
        lines.append("Training started from the weights of that network.")
    elif start := training.get("start"):
        lines.append(f"Training started from the weights of `{start}`.")
    if training.get("teacher") or training.get("start") not in (None, OWN_TEACHER):
        lines.append(
            "The figures suppose that these earlier networks were not trained on the faces held out here."
        )
    if (networks := training.get("networks", 1)) > 1:
        lines.append(
            f"The answers are the mean of {networks} networks; each after the first was trained from new weights, "
            "with the first as its teacher."
        )
    if factors := training.get("frequency"):
        lines.append(
            "The answers allow for classes that occur more or less often in use than among the training pictures: "
            f"{_list([_text(factor.replace('=', ' × ')) for factor in factors])}."
        )
    return " ".join(lines)


def _data(report: dict[str, Any], source: str | None) -> str:
    data = report.get("data") or {}
    audit = data.get("audit") or {}
    lines = []
    if source:
        lines.append(f"Source: `{public_source(source)}`.")
    if data.get("report_split") and data.get("faces"):
        counts = ", ".join(f"{count} {_text(name)}" for name, count in (data.get("per_label") or {}).items())
        lines.append(
            f"The figures are about {data['faces']} faces ({_text(data['report_split'])}): {counts}."
        )
    if data.get("fingerprint"):
        lines.append(f"Fingerprint of the pictures and labels (SHA-256): `{data['fingerprint']}`.")
    parts = ["\n".join(lines)]
    counts = {_text(split): row for split, row in (audit.get("files") or {}).items()}
    counts |= {f"used for {_text(split)}": row for split, row in (audit.get("used") or {}).items()}
    names = list(dict.fromkeys(name for row in counts.values() for name in row))
    rows = [(title, *(str(row.get(name, 0)) for name in names)) for title, row in counts.items()]
    parts.append(_table(("pictures", *map(_text, names)), rows))
    findings = _flat({key: value for key, value in audit.items() if key not in ("files", "used")})
    parts.append("\n".join(f"- {_words(key)}: {_text(value)}" for key, value in findings))
    text = "\n\n".join(part for part in parts if part)
    return text and f"## Data and its audit\n\n{text}"


def _get(values: dict[str, Any], *keys: str) -> Any:
    """A value further in, None where the way ends early."""
    for key in keys:
        values = (values or {}).get(key)
    return values


def _flat(findings: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested findings as lines, without lists: they name files, and names of files can be private."""
    lines = []
    for key, value in findings.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            lines += _flat(value, f"{name}, ")
        elif value is not None and not isinstance(value, list):
            lines.append((name, value))
    return lines


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: Any) -> str:
    """Anything as harmless Markdown text."""
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value)) or "–"
    text = " ".join(str(value).split())
    for character in "\\`*<>|[]":
        text = text.replace(character, "\\" + character)
    return text


def _words(key: str) -> str:
    return _text(key.replace("_", " "))


def _list(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def _decimal(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
