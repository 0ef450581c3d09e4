"""Data sets of the Hub in every form that its libraries write, through its real clients."""

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.data.pictures import LABELS, draw, faces_of, fill, fill_splits, labels_of, load, refusal
from tests.hub_server import HubServer

RNG = np.random.default_rng(5)
CONVERTED = "refs/convert/parquet"

pytestmark = pytest.mark.slow  # importing `datasets` takes as long as all other tests of data


@pytest.fixture(autouse=True)
def datasets_of(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point `datasets` at the Hub of the test: it read its settings when it was imported."""
    import datasets

    cache = hub.home / "datasets"
    for name, value in {
        "HF_ENDPOINT": hub.url,
        "HF_DATASETS_CACHE": cache,
        "DOWNLOADED_DATASETS_PATH": cache / "downloads",
        "EXTRACTED_DATASETS_PATH": cache / "downloads" / "extracted",
        "HF_HUB_OFFLINE": False,
    }.items():
        monkeypatch.setattr(datasets.config, name, value)
    datasets.disable_progress_bars()


def png() -> bytes:
    """A picture unlike any other, as a file."""
    file = io.BytesIO()
    Image.fromarray(draw(RNG)).save(file, "PNG")
    return file.getvalue()


def features(names: Sequence[str] = LABELS, **more: dict) -> dict[bytes, bytes]:
    """What the Hub's libraries write beside the columns."""
    known = {"image": {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
    return {b"huggingface": json.dumps({"info": {"features": known | more}}).encode()}


def table(
    count: int,
    labels: Sequence = range(3),
    *,
    metadata: dict | None = None,
    image="image",
    label="label",
    **more,
) -> bytes:
    """A Parquet file of `count` pictures of each label, as the Hub's libraries write it."""
    values = [value for _ in range(count) for value in labels]
    images = [{"bytes": png(), "path": f"{row}.png"} for row in range(len(values))]
    columns = pa.table(
        {image: images, label: values, **{name: column * count for name, column in more.items()}}
    )
    file = io.BytesIO()
    metadata = features() if metadata is None else metadata
    pq.write_table(columns.replace_schema_metadata(metadata), file, row_group_size=4)
    return file.getvalue()


def publish(hub: HubServer, files: dict[str, bytes], *, card: str = "", branch: str = "main") -> None:
    """Put a data set owner/faces on the Hub."""
    content = files | ({"README.md": f"---\n{card}\n---\n".encode()} if card else {})
    if branch == "main":
        hub.add_repository("owner/faces", content, repo_type="dataset")
        return
    repository = hub.repository("owner/faces", "dataset")
    repository.branches[branch] = repository.branches["main"]
    hub.add_commit(repository, content, branch=branch)


def test_the_usual_form_with_splits_in_several_files(hub: HubServer):
    first, second, held_out = table(2), table(3), table(4)
    files = {"data/train-00000-of-00002.parquet": first, "data/train-00001-of-00002.parquet": second}
    publish(hub, files | {"data/test-00000-of-00001.parquet": held_out, "assets/banner.png": png()})

    dataset = load("hf:owner/faces")

    assert dataset.labels == LABELS
    assert dataset.report_split == "half of test"
    assert [len(dataset.train), len(dataset.calibration), len(dataset.report)] == [15, 6, 6]
    assert dataset.train.identifiers[0] == "train row 0"
    stored = pq.read_table(io.BytesIO(first)).column("image")[1].as_py()["bytes"]
    row = dataset.train.identifiers.index("train row 1")
    np.testing.assert_array_equal(
        dataset.train.load(np.array([row]), 48, 1)[0, ..., 0], Image.open(io.BytesIO(stored))
    )
    assert dataset.outputs[dataset.train.targets[row]] == "happy"


def test_rows_are_copied_once_and_without_the_hub_afterwards(hub: HubServer):
    publish(hub, {"train.parquet": table(4)})
    first = load("hf:owner/faces")
    asked = len(hub.asked("GET /storage"))

    again = load("hf:owner/faces")
    assert len(hub.asked("GET /storage")) == asked
    hub.stop()
    offline = load("hf:owner/faces")

    assert faces_of(first, "train") == faces_of(again, "train") == faces_of(offline, "train")
    assert again.fingerprint == offline.fingerprint == first.fingerprint


def test_what_the_hub_converted_is_taken_where_the_data_set_has_another_form(hub: HubServer):
    publish(hub, {"faces.tar": b"tar", "banner.png": png()})
    converted = {"default/train/0000.parquet": table(3), "default/partial-validation/0000.parquet": table(4)}
    publish(hub, converted, branch=CONVERTED)

    dataset = load("hf:owner/faces")

    assert dataset.report_split == "half of validation"
    assert [len(dataset.train), len(dataset.calibration), len(dataset.report)] == [9, 6, 6]
    assert len(load(f"hf:owner/faces@{CONVERTED}").train) == 9


def test_folders_of_pictures_are_taken_as_they_are(hub: HubServer):
    publish(hub, {f"{label}/{number}.png": png() for label in LABELS for number in range(9)})
    publish(hub, {"default/train/0000.parquet": table(20)}, branch=CONVERTED)

    assert load("hf:owner/faces").train.identifiers[0].startswith("angry/")


def test_the_card_says_which_files_belong_to_which_configuration_and_split(hub: HubServer):
    card = """
configs:
- config_name: small
  data_files:
  - split: train
    path: one/*
  - split: validation
    path: [two/held.parquet]
- config_name: large
  data_files: three/*.parquet
"""
    files = {"one/a.parquet": table(2), "two/held.parquet": table(4), "three/b.parquet": table(9)}
    publish(hub, files, card=card)

    message = refusal("hf:owner/faces")
    assert "several configurations. It holds small, large: name one as hf:owner/name/small" in message
    assert [len(load("hf:owner/faces/small").train), len(load("hf:owner/faces/small").report)] == [6, 6]
    assert len(load("hf:owner/faces/large").train) > 12
    assert "no configuration other" in refusal("hf:owner/faces/other")


def test_the_default_configuration_needs_no_name(hub: HubServer):
    publish(hub, {"raw.tar": b"tar"})
    converted = {"default/train/0000.parquet": table(9), "emoji/train/0000.parquet": table(2)}
    publish(hub, converted, branch=CONVERTED)
    assert len(load("hf:owner/faces").train) > 12
    assert "too few different pictures" in refusal("hf:owner/faces/emoji")


def test_revisions(hub: HubServer):
    publish(hub, {"train.parquet": table(6)})
    repository = hub.repository("owner/faces", "dataset")
    first = repository.branches["main"].sha
    hub.add_commit(repository, {"train.parquet": table(9)})

    assert len(load(f"hf:owner/faces@{first}").train) < len(load("hf:owner/faces").train)


def test_labels_by_name_by_number_and_none(hub: HubServer):
    publish(hub, {"train.parquet": table(6, [*LABELS, "fear", None], metadata={}, label="emotion")})
    dataset = load("hf:owner/faces", background=("fear",))
    assert labels_of(dataset) == {*LABELS, "fear"}

    numbers = {"train.parquet": table(6, range(4), metadata={}, image="picture")}
    hub.add_repository("owner/numbers", numbers, repo_type="dataset")
    assert load("hf:owner/numbers", labels=("0", "3")).labels == ("0", "3")
    assert "no label angry" in refusal("hf:owner/numbers")
    assert "It holds: 0, 1, 2, 3" in refusal("hf:owner/numbers")


def test_the_label_among_several_classes(hub: HubServer):
    more = {"light": {"names": ["day", "night"], "_type": "ClassLabel"}}
    content = table(6, metadata=features(**more), light=[0, 1, 0])
    publish(hub, {"train.parquet": content})
    assert load("hf:owner/faces").labels == LABELS


def test_rows_without_a_readable_picture_are_counted(hub: HubServer):
    whole = pq.read_table(io.BytesIO(table(9)))
    images = whole.column("image").to_pylist()
    images[0], images[1] = {"bytes": None, "path": "lost.png"}, {"bytes": b"no picture", "path": None}
    file = io.BytesIO()
    pq.write_table(whole.set_column(0, "image", [images]).replace_schema_metadata(features()), file)
    publish(hub, {"train.parquet": file.getvalue()})

    audit = load("hf:owner/faces").audit["unreadable"]

    assert audit["count"] == 2
    assert [entry["file"] for entry in audit["files"]] == ["train row 0", "train row 1"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train.parquet": b"PAR1 and no more"}, "cannot be read"),
        (
            {"train.parquet": table(2, metadata={}, label="age")},
            "no single column of labels; it has image, age",
        ),
        ({"train.parquet": table(2, metadata={}, one=[b"1"] * 3)}, ""),
    ],
)
def test_tables_that_cannot_be_used(files: dict[str, bytes], message: str, hub: HubServer):
    publish(hub, files)
    assert message in refusal("hf:owner/faces")


def test_image_folders_from_the_hub(hub: HubServer, tmp_path: Path):
    fill_splits(tmp_path / "v1", train=4, test=4, suffix=".jpg")
    repository = hub.add_repository("owner/faces", tmp_path / "v1", repo_type="dataset")
    first = repository.branches["main"].sha
    more = fill(tmp_path / "more/train/happy", 3, suffix=".jpg")
    files = {f"train/happy/more_{path.name}": path.read_bytes() for path in more.iterdir()}
    hub.add_commit(repository, files)

    assert len(load("hf:owner/faces").train) == 15
    dataset = load(f"hf:owner/faces@{first}")
    assert [len(dataset.train), len(dataset.calibration), len(dataset.report)] == [12, 6, 6]
    assert labels_of(dataset) == set(LABELS)


def test_zipped_pictures_from_the_hub(hub: HubServer, tmp_path: Path):
    fill_splits(tmp_path / "faces", train=4, test=4)
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        for path in sorted((tmp_path / "faces").rglob("*.png")):
            archive.write(path, path.relative_to(tmp_path))
    content = {"faces.zip": (tmp_path / "faces.zip").read_bytes(), "README.md": b"# Faces"}
    hub.add_repository("owner/zipped", content, repo_type="dataset")
    hub.add_repository("owner/broken", {"faces.zip": b"no archive"}, repo_type="dataset")

    assert len(load("hf:owner/zipped").train) == 12
    assert len(load("hf:owner/zipped").train) == 12, "the second time from what is unpacked"
    assert "broken" in refusal("hf:owner/broken")


def test_hub_refusals_say_what_to_do(hub: HubServer):
    hub.add_repository("owner/sounds", {"1.wav": b"RIFF", "banner.png": b"PNG"}, repo_type="dataset")

    assert "hf auth login" in refusal("hf:owner/nothing")
    hub.refuse("GET /api/datasets/owner/faces", 403, "Access to this data set is awaiting a review")
    said = refusal("hf:owner/faces")
    assert 'The Hub says: "Access to this data set is awaiting a review" (HTTP 403).' in said
    hub.refuse("GET /api/datasets/owner/many", 429, "You reached the quota of requests", Retry_After="77")
    assert "Wait 77 seconds and try again" in refusal("hf:owner/many")
    assert "holds no pictures in folders, zip files, CSV or Parquet" in refusal("hf:owner/sounds")


def test_without_a_network_and_a_cache_the_message_comes_at_once(hub: HubServer):
    hub.stop()
    expected = "owner/nothing cannot be downloaded: no connection to the Hub, and it is not in the cache."
    assert expected in refusal("hf:owner/nothing")
    (hub.home / "datasets" / "owner___something").mkdir(parents=True)
    assert expected in refusal("hf:owner/nothing")
