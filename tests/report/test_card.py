"""The card: metadata that the Hub reads back, the figures of the report and no others, nothing private."""

import re
from dataclasses import replace

import numpy as np
import pytest
from huggingface_hub import EvalResult, ModelCard
from huggingface_hub.repocard import metadata_load

from emotion.config import TrainingConfig
from emotion.predictions.calibration import Calibration
from emotion.report.build import build_report
from emotion.report.card import is_fer2013, render, training_command
from emotion.report.report import DataFigures, Report, RobustnessFigures

LABELS = ("angry", "happy", "sad")
OUTPUTS = (*LABELS, "neutral")


def report_with(**changes):
    rng = np.random.default_rng(0)
    targets = np.repeat([0, 1, 2, 3], 50)
    logits = rng.normal(0, 1, (200, 4)) + 2.5 * np.eye(4)[targets]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    settings = {
        "model": {"architecture": "resnet", "parameters": 1_234_567, "command": None},
        "data": DataFigures(
            source="fer2013",
            report_split="half of validation",
            fingerprint="c0ffee",
            audit={
                "files": {"train": {"angry": 10, "happy": 20}, "validation": {"angry": 3, "happy": 4}},
                "unreadable": {
                    "count": 1,
                    "files": [{"file": "train/angry/Jane Doe.jpg", "reason": "truncated"}],
                },
                "used": {"train": {"angry": 9, "happy": 11}},
                "removed": {"from_train": 42},
            },
        ),
        "robustness": RobustnessFigures(200, 0.911, {"noise": 0.822, "blur": 0.733}, 0.7775),
        "history": {"loss": [1.0], "accuracy": [0.5], "val_loss": [1.1], "val_accuracy": [0.4]},
        **changes,
    }
    return build_report(
        probabilities,
        targets,
        outputs=OUTPUTS,
        labels=LABELS,
        calibration=Calibration(1.2, 0.512, 99),
        **settings,
    )


def emotion_json(**training):
    return {
        "labels": list(LABELS),
        "outputs": [{"name": name, "label": name if name in LABELS else None} for name in OUTPUTS],
        "input": {"size": 48, "channels": 1, "range": [0, 255]},
        "training": TrainingConfig(data="fer2013", background=("neutral",)).to_dict() | training,
        "versions": {"keras": "3.15.1"},
    }


def test_the_hub_reads_back_what_was_measured(tmp_path):
    report = report_with()
    path = tmp_path / "README.md"
    path.write_text(render(report, emotion_json(), repo_id="ada/faces"), encoding="utf-8")

    data = ModelCard.load(path).data
    assert (data.library_name, data.pipeline_tag) == ("keras", "image-classification")
    assert (data.license, data.license_name) == ("other", "not-stated")
    assert data.model_name == "faces"
    assert "facial-expression-recognition" in data.tags
    measured = {result.metric_type: result for result in data.eval_results}
    assert all(isinstance(result, EvalResult) for result in measured.values())
    assert measured["accuracy"].metric_value == report.accuracy.value
    assert measured["f1"].metric_value == report.macro_f1
    error = report.calibration.expected_calibration_error_after
    assert measured["expected_calibration_error"].metric_value == error
    assert {(result.dataset_name, result.dataset_split) for result in measured.values()} == {
        ("fer2013", "half of validation")
    }
    assert "datasets" not in metadata_load(path)  # a folder on somebody's disk is no data set on the Hub


def test_a_data_set_on_the_hub_is_linked():
    report = report_with(data=DataFigures(source="hf:ada/faces-of-friends@v2", report_split="test"))
    data = ModelCard(render(report, emotion_json())).data
    assert data.datasets == ["ada/faces-of-friends"]
    assert {result.dataset_type for result in data.eval_results} == {"ada/faces-of-friends"}
    assert data.model_name == "facial-emotion"


def test_what_a_model_came_from_is_named_as_the_hub_asks():
    known = {"base_model": ["ada/faces", "../secret", 7], "hours": 1.25, "hardware": "2 × NVIDIA T4"}
    card = render(report_with(model=known), emotion_json())
    assert ModelCard(card).data.base_model == ["ada/faces"]
    assert "| hours | 1.25 |" in card
    assert "| hardware | 2 × NVIDIA T4 |" in card
    assert "base_model:" not in render(report_with(), emotion_json())


def test_made_up_faces_are_the_gallery_on_the_hub_and_pictures_elsewhere():
    faces = ("plots/face-1.png", "plots/face-2.png")
    published = ModelCard(render(report_with(), emotion_json(), repo_id="ada/faces", faces=faces))
    assert [entry["output"]["url"] for entry in published.data.widget] == list(faces)
    assert published.data.thumbnail == "https://huggingface.co/ada/faces/resolve/main/plots/face-1.png"
    assert published.data.language == "en"
    assert published.text.count("<Gallery />") == 1
    assert published.text.index("<Gallery />") < published.text.index("## Figures per class")
    local = ModelCard(render(report_with(), emotion_json(), faces=faces))
    assert "thumbnail" not in local.data.to_dict()
    assert all(f"]({path})" in local.text for path in faces)
    assert "Gallery" not in local.text
    without = ModelCard(render(report_with(), emotion_json(), repo_id="ada/faces"))
    assert not {"widget", "thumbnail"} & without.data.to_dict().keys()
    assert "Gallery" not in without.text


def test_measured_emissions_are_stated_as_the_hub_asks():
    model = {
        "co2_grams": 12.5,
        "co2_country": "DEU",
        "hardware": "2 × NVIDIA T4",
        "base_model": ["ada/faces"],
    }
    card = render(report_with(model=model), emotion_json())
    assert ModelCard(card).data.co2_eq_emissions == {
        "emissions": 12.5,
        "source": "codecarbon",
        "training_type": "fine-tuning",
        "geographical_location": "DEU",
        "hardware_used": "2 × NVIDIA T4",
    }
    for unmeasured in ({}, {"co2_grams": None}, {"co2_grams": "a lot"}):
        assert "co2" not in metadata_of(render(report_with(model=unmeasured), emotion_json()))


def metadata_of(card):
    return card.split("---")[1]


def test_card_passes_the_hub_clients_own_validation(hub):
    card = ModelCard(render(report_with(), emotion_json(), repo_id="ada/faces"))
    card.validate()
    assert hub.asked("POST /api/validate-yaml")


def test_card_says_where_the_program_is():
    card = render(report_with(), emotion_json(), repo_id="ada/faces")
    assert "the Python package `emotion-faces`" in card
    assert "\npip install emotion-faces\n" in card


def test_card_says_what_a_reader_needs():
    report = report_with()
    card = render(report, emotion_json(), repo_id="ada/faces")
    low, high = (f"{100 * bound:.1f}%" for bound in report.accuracy.interval)
    assert f"**{100 * report.accuracy.value:.1f}%** of 150 faces (95% interval {low} to {high})" in card
    for label, row in report.per_class.items():
        assert f"| {label} | {row.precision:.3f} | {row.recall:.3f} | {row.f1:.3f} | 50 |" in card
    assert "Below **0.512**" in card
    assert f"{100 * report.not_sure.coverage:.1f}% of the faces" in card
    assert f"{100 * report.not_sure.background_not_sure['neutral']:.1f}% of the neutral faces" in card
    assert "| noise | 82.2% |" in card
    assert "**77.8%**" in card
    for phrase in (
        "An expression is not a feeling",
        "2024/1689",
        "at work and in education",
        "web search in 2013",
    ):
        assert phrase in card
    assert 'keras.saving.load_model("hf://ada/faces")' in card
    assert 'EmotionClassifier.from_pretrained("ada/faces")' in card
    assert "float32 (n, 48, 48, 1) in 0..255" in card
    assert "angry, happy, sad, neutral." in card
    assert "python train.py --data fer2013 --background neutral" in card
    assert "| `learning_rate` | 0.002 |" in card
    assert "| keras version | 3.15.1 |" in card
    assert "| train | 10 | 20 |" in card
    assert "| used for train | 9 | 11 |" in card
    assert "- 1 unreadable file was left out." in card
    assert "- 42 pictures were removed from train because a copy is held out." in card
    assert "`c0ffee`" in card


def test_card_shows_the_plots_that_exist_and_no_others():
    def shown(card):
        return set(re.findall(r"\(plots/(\w+)\.png\)", card))

    everything = {"confusion_matrix", "roc", "calibration", "risk_coverage", "robustness", "training"}
    assert shown(render(report_with(), emotion_json())) == everything
    reduced = render(report_with(robustness=None, history=None), emotion_json())
    assert shown(reduced) == everything - {"robustness", "training"}


def test_every_figure_in_the_card_comes_from_the_report():
    """Whatever number stands before the fixed texts about use and limits must be in the report."""
    report = report_with()
    card = render(report, emotion_json(), repo_id="ada/faces")
    prose = card.split("---\n", 2)[2].split("## Intended use")[0]
    figures = {float(value) for value in re.findall(r"(?<![\w.])\d+\.\d+", prose)}

    def numbers(value):
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            return [number for item in value for number in numbers(item)]
        return [value] if isinstance(value, int | float) else []

    known = numbers(report.to_dict()) + [1 - report.accuracy.value]
    allowed = {round(value, 3) for value in known} | {round(100 * value, 1) for value in known}
    assert len(figures) > 20
    assert figures <= allowed


@pytest.mark.parametrize("report", [None, Report(), Report.from_dict({"accuracy": 7, "roc": []})])
def test_card_of_a_model_without_a_report_has_no_figures(report):
    card = render(report, emotion_json())
    assert not re.search(r"\d%", card.split("## Intended use")[0])
    assert ModelCard(card).data.eval_results is None
    assert "## Figures" not in card
    assert "## Robustness" not in card
    assert "## Plots" not in card
    assert "An expression is not a feeling" in card


def test_the_examples_name_the_model_or_say_that_it_has_no_name_yet():
    published = render(None, emotion_json(), repo_id="ada/faces")
    assert 'from_pretrained("ada/faces")' in published
    assert "hf://ada/faces" in published
    assert "OWNER/NAME" not in published
    assert "once it is published" not in published
    assert "`OWNER/NAME` stands for the model's name on the Hub, once it is published" in render(
        None, emotion_json()
    )


def test_card_of_a_report_full_of_gaps():
    report = build_report(
        np.full((4, 4), 0.25),
        np.full(4, 3),
        outputs=OUTPUTS,
        labels=LABELS,
        calibration=Calibration(1.0, 0.5, 0),
    )
    card = render(report, {})
    assert "None" not in card.replace("`None`", "")
    assert "nan" not in card.lower()
    assert ModelCard(card).data.eval_results is None
    assert "100.0% of the neutral faces" in card


def test_private_folders_and_file_names_stay_private():
    command = "python train.py --data /home/ada/secret/faces --output=/mnt/x/run --soft-labels ../v.csv"
    report = report_with(model={"command": command})
    card = render(report, emotion_json(data="/home/ada/secret/faces"))
    assert "python train.py --data faces --output=run --soft-labels ../v.csv" in card
    assert "/home" not in card
    assert "/mnt" not in card
    assert "secret" not in card
    assert "Jane Doe" not in card


def test_what_was_learned_beside_the_labels_is_told():
    settings = {"soft_labels": "/home/ada/votes.csv", "teacher": ["runs/first"], "teacher_epochs": 24}
    settings |= {"teacher_weight": 0.4, "prior_correction": ["fear=0.25", "disgust=0.5"]}
    card = render(report_with(), emotion_json(**settings))
    assert "shares of the votes in `votes.csv`" in card
    assert (
        "40.0% of each target was learned from the answers of `runs/first` and a network that was trained "
        "first, for 24 epochs (distillation)" in card
    )
    assert "fear × 0.25 and disgust × 0.5" in card
    assert "started from" not in card
    assert (
        "The figures assume that these earlier networks were not trained on the faces held out here." in card
    )
    for start, told in (
        ("teacher", "the weights of that network"),
        ("ada/faces", "the weights of `ada/faces`"),
    ):
        assert f"Training started from {told}." in render(
            report_with(), emotion_json(**settings, initial_weights=start)
        )
    alone = render(report_with(), emotion_json(teacher=[], teacher_epochs=70, initial_weights="teacher"))
    assert "earlier networks" not in alone
    assert "distillation" not in render(report_with(), emotion_json(teacher=[], teacher_epochs=0))


def test_a_resumed_run_is_described_by_its_settings_rather_than_its_last_command():
    report = report_with(model={"command": "python train.py --resume --output runs/today"})
    card = render(report, emotion_json(epochs=77))
    assert "--resume" not in card
    assert "--epochs 77" in card


def test_names_cannot_break_out_of_the_card():
    evil = "sad | <script>alert(1)</script> ![x](http://evil) `rm`"
    report = report_with()
    report = replace(
        report,
        per_class={evil: report.per_class["sad"]},
        not_sure=replace(report.not_sure, background_not_sure={evil: 0.5}),
    )
    card = render(report, {"labels": [evil]})
    assert "<script>" not in card
    assert "![x]" not in card
    assert "sad | " not in card


def test_limits_of_other_data_do_not_claim_to_be_fer2013():
    report = report_with(data=DataFigures(source="my-faces", report_split="test"))
    card = render(report, emotion_json(data="my-faces"))
    assert "2013" not in card
    assert "## Limits" in card


def test_fer2013_is_recognised_by_its_name():
    assert is_fer2013("../shared/fer2013")
    assert is_fer2013("hf:someone/FER-2013")
    assert not is_fer2013("my-faces")
    assert not is_fer2013(None)


def test_training_command_names_what_differs_from_the_defaults():
    changed = TrainingConfig(
        data="my faces", background=("neutral", "fear"), flip=False, class_weights=True, epochs=7
    )
    command = training_command(changed.to_dict())
    assert command.startswith("python train.py --data 'my faces' ")
    for words in ("--background neutral fear", "--no-flip", "--class-weights", "--epochs 7"):
        assert words in command
    assert "--seed" not in command
    assert "--labels" not in command


def test_the_precision_of_the_served_file_is_told():
    told = "its probabilities differ a little from Keras's, which the figures are about"
    assert told in render(report_with(), emotion_json(litert_precision="int8"))
    assert "its weights in 16 bits" in render(report_with(), emotion_json(litert_precision="float16"))
    assert "is the same network for LiteRT.\n" in render(
        report_with(), emotion_json(litert_precision="float32")
    )


def test_the_licence_is_the_stated_one_with_what_the_owners_allow():
    unknown = render(report_with(), emotion_json())
    assert "No licence was stated for these weights." in unknown
    stated = emotion_json(license="cc-by-4.0", license_note="The pictures are Apache-2.0.")
    card = render(report_with(), stated)
    assert ModelCard(card).data.license == "cc-by-4.0"
    assert "published under `cc-by-4.0`. The pictures are Apache-2.0." in card
    own = ModelCard(render(report_with(), emotion_json(license="my terms"))).data
    assert (own.license, own.license_name) == ("other", "my-terms")


def test_several_data_sets_on_the_hub_are_linked_and_folders_are_not():
    report = report_with(data=DataFigures(source="hf:ada/one/default + faces + hf:ada/two"))
    data = ModelCard(render(report, emotion_json(data=["hf:ada/one/default", "faces", "hf:ada/two"]))).data
    assert data.datasets == ["ada/one", "ada/two"]
    assert {result.dataset_type for result in data.eval_results} == {"imagefolder"}


@pytest.mark.parametrize(
    ("data", "note", "told"),
    [
        ("kaggle", None, "Pictures given as `kaggle`; where they came from was not said"),
        ("kaggle", "Taken by us in 2024", "Taken by us in 2024. Given as `kaggle`."),
        ("kaggle:ada/faces + hf:ada/more", None, "Source: `kaggle:ada/faces + hf:ada/more`."),
        ("kaggle:ada/faces + mine", None, "`kaggle:ada/faces + mine`; where they came from was not said"),
    ],
)
def test_a_folders_name_is_no_source(data, note, told):
    report = report_with(data=DataFigures(source=data))
    assert told in render(report, emotion_json(data=data.split(" + "), data_note=note))


def test_a_foreign_audit_that_makes_no_sense_is_left_out():
    audit = {"copies": 3, "removed": {"from_train": "<b>"}, "passed_over": [1], "files": {"train": 7}}
    card = render(report_with(data=DataFigures(source="x", audit=audit)), emotion_json())
    assert "Copies of" not in card
    assert "<b>" not in card


def test_a_run_that_ctrl_c_ended_says_how_its_command_gives_this_model():
    model = {"command": "python train.py --data faces", "epochs_trained": 9, "ended": "by Ctrl-C"}
    card = render(report_with(model=model), emotion_json(epochs=40))
    assert "Ctrl-C ended this run after epoch 9 of 40." in card
    assert "Ctrl-C" not in render(report_with(), emotion_json(epochs=40))
