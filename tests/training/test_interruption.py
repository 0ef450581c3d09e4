"""Ctrl-C ends training after a whole epoch, also where Python loses it."""

import signal

import keras
import pytest

from emotion.config import TrainingConfig
from emotion.data.dataset import load_dataset
from emotion.training.fit import fit
from tests.conftest import TINY_RUN

pytestmark = pytest.mark.slow


class PressedWhereItIsLost(keras.callbacks.Callback):
    """Presses Ctrl-C after the first epoch inside `__del__`: Python prints the exception and goes on."""

    def on_epoch_end(self, epoch, *_, **__):
        if not epoch:
            _Pressed()


class _Pressed:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_lost_ctrl_c_ends_the_run_at_the_next_batch(drawn_data, tmp_path):
    config = TrainingConfig(data=str(drawn_data), **TINY_RUN | {"epochs": 3})
    fitted = fit(config, load_dataset(config, progress=False), tmp_path, callbacks=[PressedWhereItIsLost()])
    assert fitted.interrupted
    assert fitted.best_epoch == 1
    assert len(fitted.history["loss"]) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
