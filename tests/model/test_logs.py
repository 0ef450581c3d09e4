"""The terminal shows what this package says, and not every request to the Hub."""

import logging

import pytest

from emotion.model.logs import TALKATIVE, log_to_terminal


@pytest.mark.parametrize("client", TALKATIVE)
def test_requests_are_not_shown(client):
    log_to_terminal()
    assert not logging.getLogger(client).isEnabledFor(logging.INFO)
    assert logging.getLogger(client).isEnabledFor(logging.ERROR)
