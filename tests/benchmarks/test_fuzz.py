"""A few seconds of what `make fuzz` does for hours: every target, and that a finding is one."""

import json
import random
import sys

import pytest

from benchmarks.fuzz.__main__ import State, chance_of, run, save, try_case
from benchmarks.fuzz.descriptions import Descriptions
from benchmarks.fuzz.networks import Networks
from benchmarks.fuzz.payloads import Payloads
from benchmarks.fuzz.pictures import Pictures, check_message

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="it measures processes by /proc"),
]

# Of one turn of all targets; a third of the time goes to starting their processes.
CASES = {"pictures": 400, "networks": 20, "descriptions": 60, "payloads": 60}
# Another one than that of the long runs.
SEED = 17
# MB: other tests have left much in this process, which is none that serves.
ROOMY = 4000


@pytest.mark.parametrize("target", [Pictures, Networks, Descriptions, Payloads])
def test_nothing_is_found(target, tmp_path):
    trying = target(tmp_path)
    state = State(SEED)
    try:
        run({target.name: trying}, CASES, state, seconds=0, largest=ROOMY)
    finally:
        trying.close()
    assert state.findings == []
    assert state.cases == {target.name: CASES[target.name]}
    assert sum(state.outcomes[target.name].values()) == CASES[target.name]
    assert len(state.outcomes[target.name]) > 1, "some are answered, some are refused"


class Broken:
    name = "broken"

    def try_one(self, chance: random.Random) -> str:
        if chance.random() < 0.5:
            raise KeyError("nobody's message")
        return "opened"

    def close(self) -> None:
        """Nothing is running."""


def test_whatever_is_raised_is_a_finding_that_its_number_finds_again():
    state = State(SEED)
    for _ in range(20):
        try_case(Broken(), state, largest=ROOMY)
    found = [int(finding.partition("case ")[2].partition(":")[0]) for finding in state.findings]
    assert 0 < len(found) < 20
    for number in range(20):
        assert (chance_of(SEED, "broken", number).random() < 0.5) == (number in found)


def test_a_run_goes_on_where_it_was_interrupted(tmp_path):
    whole, first = State(SEED), State(SEED)
    run({"broken": Broken()}, {"broken": 20}, whole, seconds=0, largest=ROOMY)
    run({"broken": Broken()}, {"broken": 7}, first, seconds=0, save_to=tmp_path / "state.json", largest=ROOMY)
    second = State(**json.loads((tmp_path / "state.json").read_text()))
    run({"broken": Broken()}, {"broken": 20}, second, seconds=0, largest=ROOMY)
    assert second.outcomes == whole.outcomes
    assert [finding.partition("\n")[0] for finding in second.findings] == [
        finding.partition("\n")[0] for finding in whole.findings
    ]
    save(whole, tmp_path / "state.json")
    assert json.loads((tmp_path / "state.json").read_text())["cases"] == {"broken": 20}


@pytest.mark.parametrize(
    "message", ["", "None", "two\nlines, and that is no message", "in site-packages/PIL/x.py"]
)
def test_a_message_that_helps_nobody_is_a_finding(message):
    with pytest.raises(ValueError, match="no message for people"):
        check_message(message)
