"""What libraries print and log by themselves is kept out of the terminal; what comes afterwards is not."""

import logging
import os

import pytest

from emotion.program import TALKATIVE, log_to_terminal, silent_stderr


def test_nothing_reaches_the_terminal_meanwhile(capfd):
    with silent_stderr():
        os.write(2, b"oneDNN custom operations are on\n")
    os.write(2, b"our words\n")
    assert capfd.readouterr().err == "our words\n"


def test_errors_pass_and_the_terminal_comes_back(capfd):
    with pytest.raises(ImportError, match="no backend"), silent_stderr():
        raise ImportError("no backend")
    os.write(2, b"error: no backend\n")
    assert capfd.readouterr().err == "error: no backend\n"


@pytest.mark.parametrize("client", TALKATIVE)
def test_requests_are_not_shown(client):
    log_to_terminal()
    assert not logging.getLogger(client).isEnabledFor(logging.INFO)
    assert logging.getLogger(client).isEnabledFor(logging.ERROR)
