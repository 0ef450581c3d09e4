"""Let chance attack what strangers can reach, and say what broke.

make fuzz
python -m benchmarks.fuzz --state fuzz.json                           (goes on where it was interrupted)
python -m benchmarks.fuzz --only pictures --case 1234 --seed 7        (one case again)

Five targets take turns, in this process and in an app that runs beside it the whole time:

pictures      damaged files of every format that is accepted, and noise of dim rooms, opened as the app
              opens them; faces are looked for in some
networks      `model.tflite` files changed by their schema, run as those of strangers are
descriptions  changed `emotion.json`, `report.json` and model cards, loaded and shown
payloads      requests to the app: its API, the page's events, uploads, the MCP tool, and anything else,
              JSON that grows, and sessions that come and go while others wait
endings       SIGTERM at any moment, in an app of its own for each case

A finding is an exception that is none of ours, a message that helps nobody, a traceback in the log,
more than 2 seconds of processor time for one case, or for ten requests of a crowd, more than 500 MB in a
process that serves, or its end.
Every case follows from the seed, its target and its number alone. Linux only.
"""

import argparse
import contextlib
import json
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.apps import family, processor_seconds, resident
from benchmarks.fuzz.descriptions import Descriptions
from benchmarks.fuzz.endings import Endings
from benchmarks.fuzz.networks import Networks
from benchmarks.fuzz.payloads import Payloads
from benchmarks.fuzz.pictures import Pictures
from emotion.web.process import share_memory

LONGEST = 2.0  # seconds of processor time: of one request, or of as many in a crowd
CROWD = 10
LARGEST = 500  # MB of a process that serves
SAVED_EVERY = 20.0  # seconds
MEASURED_EVERY = 50  # cases


class Target(Protocol):
    name: str

    def try_one(self, chance: random.Random) -> str:
        """Try one case; return what became of it. Whatever it raises is a finding."""

    def close(self) -> None:
        """End what was started."""


TARGETS = {kind.name: kind for kind in (Pictures, Networks, Descriptions, Payloads, Endings)}
GOALS = {"pictures": 200_000, "networks": 10_000, "descriptions": 10_000, "payloads": 10_000, "endings": 50}


@dataclass
class State:
    """How far a run is; what is written to the file that it goes on from."""

    seed: int
    seconds: float = 0
    cases: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, dict[str, int]] = field(default_factory=dict)
    slowest: dict[str, float] = field(default_factory=dict)
    largest: dict[str, float] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS), metavar="TARGET")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="try this one alone")
    parser.add_argument("--seconds", type=float, default=3600, help="at least (default: 3600)")
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of cases (default: 1)")
    parser.add_argument("--state", type=Path, help="file to go on from, and to write")
    options = parser.parse_args()
    # As the app does: this process opens pictures as the app's does.
    share_memory()
    state = State(options.seed)
    if options.state and options.state.exists():
        state = State(**json.loads(options.state.read_text()))
    goals = {name: round(GOALS[name] * options.share) for name in options.only}
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch, contextlib.ExitStack() as stack:
        targets = {name: TARGETS[name](Path(scratch)) for name in options.only}
        for target in targets.values():
            stack.callback(target.close)
        if options.case is not None:
            for target in targets.values():
                print(target.name, target.try_one(chance_of(state.seed, target.name, options.case)))
            return 0
        try:
            run(targets, goals, state, seconds=options.seconds, save_to=options.state)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
    print_state(state)
    return 1 if state.findings else 0


def run(
    targets: dict[str, Target],
    goals: dict[str, int],
    state: State,
    *,
    seconds: float,
    save_to: Path | None = None,
    largest: float = LARGEST,
) -> None:
    """Try cases until every target had its number of them and the time is over."""
    began = saved = time.monotonic()
    before = state.seconds
    while state.seconds < seconds or any(state.cases.get(name, 0) < goals[name] for name in targets):
        name = min(targets, key=lambda name: state.cases.get(name, 0) / goals[name])
        try_case(targets[name], state, largest=largest)
        now = time.monotonic()
        state.seconds = before + now - began
        if save_to and now - saved > SAVED_EVERY:
            saved = now
            save(state, save_to)
    if save_to:
        save(state, save_to)


def try_case(target: Target, state: State, *, largest: float = LARGEST) -> None:
    """Try the next case of a target and note what became of it."""
    name, number = target.name, state.cases.get(target.name, 0)
    state.cases[name] = number + 1
    pid = target.app.pid if isinstance(target, Payloads) else os.getpid()
    processes = family(pid) if isinstance(target, Payloads) else None
    started = processor_seconds(processes) if processes else time.process_time()
    try:
        outcome = target.try_one(chance_of(state.seed, name, number))
    except Exception as error:
        note(state, name, number, f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-4)}")
        outcome = "found something"
    spent = (processor_seconds(processes) if processes else time.process_time()) - started
    requests = target.requests if isinstance(target, Payloads) else 1
    if spent > LONGEST * max(1, requests / CROWD):
        note(state, name, number, f"took {spent:.1f} seconds of processor time")
    state.slowest[name] = max(state.slowest.get(name, 0), spent)
    outcomes = state.outcomes.setdefault(name, {})
    outcomes[outcome] = outcomes.get(outcome, 0) + 1
    if number % MEASURED_EVERY == 0:
        size = max(map(resident, family(pid)), default=0)
        if size > largest:
            note(state, name, number, f"a process takes {size:.0f} MB")
        state.largest[name] = max(state.largest.get(name, 0), size)


def note(state: State, name: str, number: int, what: str) -> None:
    """Write down and print a finding."""
    finding = f"{name}, case {number}: {what}"
    state.findings.append(finding)
    print(finding, flush=True)


def chance_of(seed: int, name: str, number: int) -> random.Random:
    """Return what decides everything about one case."""
    return random.Random(f"{seed}/{name}/{number}")


def save(state: State, path: Path) -> None:
    """Write the state, whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(state), indent=1) + "\n")
    part.replace(path)


def print_state(state: State) -> None:
    """Print the figures."""
    print(f"seed {state.seed}, {state.seconds / 60:.0f} minutes, {len(state.findings)} findings")
    for name, number in state.cases.items():
        commonest = Counter(state.outcomes[name]).most_common(8)
        print(
            f"{name:<13}{number:>9} cases; slowest {state.slowest[name]:.2f} s of processor time, "
            f"largest process {state.largest.get(name, 0):.0f} MB; "
            + ", ".join(f"{outcome} {count}" for outcome, count in commonest)
        )


if __name__ == "__main__":
    sys.exit(main())
