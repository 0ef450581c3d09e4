"""What tests of several folders share: the Hub on loopback and one small model, trained once per session."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Two processes test side by side; threads of a small matrix product would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import re
import signal
from pathlib import Path

import pytest
from filelock import FileLock

from tests.drawn_faces import EMOTIONS, write_data_set

# A shell that runs the suite in the background makes it ignore Ctrl-C, and so all the programs it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["tests.hub_server"]

# A network small enough for seconds, with the augmentation that lines drawn at 48 pixels can bear.
SMALL_RUN = {
    "width": 8,
    "blocks": (1, 1, 1),
    "epochs": 10,
    "batch_size": 32,
    "learning_rate": 5e-3,
    "warmup_epochs": 1,
    "degrade": 0.0,
    "normalization_batches": 4,
}
# One that is quicker still, where nothing has to be learned.
TINY_RUN = SMALL_RUN | {"blocks": (1,)}


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """The folder of all the processes that test side by side."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def drawn_data(shared) -> Path:
    """A folder with train and validation faces: angry, happy, sad and neutral."""
    with FileLock(shared / "drawn.lock"):
        if not (shared / "drawn").exists():
            write_data_set(shared / "drawn", train=60, validation=60, emotions=EMOTIONS)
    return shared / "drawn"


@pytest.fixture(scope="session")
def trained_model(shared, drawn_data) -> Path:
    """The folder of a small network that was really trained, on drawn faces, with neutral as background."""
    from emotion.config import TrainingConfig
    from emotion.training.runs import train_model

    with FileLock(shared / "trained.lock"):
        if not (shared / "trained").exists():
            config = TrainingConfig(data=str(drawn_data), background=("neutral",), **SMALL_RUN)
            train_model(config, shared / "trained")
    return shared / "trained"


# Fixtures that train, or start a process of their own: whatever needs one of them is slow.
SLOW_FIXTURES = {"trained_model", "trained", "app", "decoder", "service"}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files unread whose every test is slow: what they import, such as TensorFlow, takes its time."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    slow = re.search(
        r"^pytestmark = \[?\s*pytest\.mark\.slow\b", collection_path.read_text("utf-8"), re.MULTILINE
    )
    return True if slow else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow because of a fixture."""
    for item in items:
        if SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
