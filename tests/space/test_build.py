"""Waiting for the build of a Space: stages, failures, and what the Hub still says of an earlier one."""

import logging

import pytest

from emotion.errors import PublishError
from emotion.space.deploy import wait_until_running

OLD = {"sha": "0" * 40}


@pytest.fixture
def space(hub):
    """A Space whose newest commit is to be waited for."""
    hub.sign_in()
    hub.add_repository("user/demo", {"app.py": b""}, repo_type="space")
    return hub.repository("user/demo", "space")


def wait(space, **options):
    wait_until_running("user/demo", space.branches["main"].sha, poll_seconds=0.001, **options)


def test_it_waits_for_all_stages_until_it_runs(space, caplog):
    caplog.set_level(logging.INFO)
    stages = ["BUILDING", "BUILDING", "APP_STARTING", "RUNNING"]
    space.runtimes = [{"stage": stage} for stage in stages]
    wait(space)
    assert len(space.runtimes) == 1
    assert [record.getMessage() for record in caplog.records if record.name.startswith("emotion")] == [
        "user/demo: building",
        "user/demo: running",
    ]


@pytest.mark.parametrize(
    "earlier", [{"stage": "RUNNING", **OLD}, {"stage": "BUILD_ERROR", **OLD}, {"stage": "NO_APP_FILE", **OLD}]
)
def test_what_the_hub_still_says_of_the_earlier_commit_does_not_count(space, earlier):
    space.runtimes = [earlier, earlier, {"stage": "BUILDING", **OLD}, {"stage": "RUNNING"}]
    wait(space)
    assert len(space.runtimes) == 1


def test_a_hub_that_does_not_name_the_commit_is_believed_once_a_build_must_have_begun(space):
    space.runtimes = [{"stage": "RUNNING", "sha": None}]
    wait(space, begins_within=0)
    with pytest.raises(PublishError, match="does not run after"):
        wait(space, begins_within=60, ends_within=0.05)


def test_an_earlier_failure_that_the_hub_goes_on_telling_ends_the_wait(space):
    space.runtimes = [{"stage": "BUILD_ERROR", **OLD}]
    with pytest.raises(PublishError, match="does not run: build error"):
        wait(space, begins_within=0)


def test_a_sleeping_space_wakes_by_itself(space):
    space.runtimes = [{"stage": "SLEEPING"}]
    wait(space)


@pytest.mark.parametrize(("stage", "log"), [("BUILD_ERROR", "build"), ("RUNTIME_ERROR", "run")])
def test_a_failure_shows_the_end_of_its_log(space, stage, log):
    space.runtimes = [{"stage": "BUILDING"}, {"stage": stage, "errorMessage": "Exit code: 1"}]
    space.logs[log] = [f"line {number}\n" for number in range(100)]
    with pytest.raises(PublishError) as failed:
        wait(space)
    lines = str(failed.value).splitlines()
    assert lines[:3] == [
        f"The Space does not run: {stage.lower().replace('_', ' ')}.",
        "Exit code: 1",
        "The end of its log:",
    ]
    assert lines[3:-1] == [f"    line {number}" for number in range(70, 100)]
    assert "/spaces/user/demo?logs=" in lines[-1]


def test_a_failure_without_a_log_is_told_all_the_same(space, hub):
    hub.refuse("GET .*/logs/", 500)
    space.runtimes = [{"stage": "BUILDING"}, {"stage": "CONFIG_ERROR"}]
    with pytest.raises(PublishError, match="does not run: config error"):
        wait(space)


def test_a_hub_that_fails_for_a_moment_is_asked_again(space, hub):
    hub.refuse("GET .*/runtime", 503, times=2)
    space.runtimes = [{"stage": "BUILDING"}, {"stage": "RUNNING"}]
    wait(space)


def test_a_space_that_is_gone_is_no_reason_to_wait(space, hub):
    del hub.repositories["space", "user/demo"]
    with pytest.raises(PublishError, match="There is no user/demo on the Hub"):
        wait(space)


def test_it_does_not_wait_for_ever(space):
    space.runtimes = [{"stage": "BUILDING"}]
    with pytest.raises(PublishError, match="does not run after 0 minutes"):
        wait(space, ends_within=0.01)
