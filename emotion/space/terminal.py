"""Deploying from a terminal, as `train.py --space` and `python -m emotion deploy` both do."""

from __future__ import annotations

from emotion.space.build import wait_until_running
from emotion.space.deploy import deploy


def deploy_and_print(
    model: str,
    space: str,
    *,
    revision: str | None = None,
    private: bool = False,
    hardware: str | None = None,
    wait: bool = False,
) -> None:
    """Deploy, print both addresses and what is left to do, and wait until the Space runs if asked to.

    Parameters are those of `emotion.space.deploy.deploy`; empty names are its defaults.

    Raises
    ------
    PublishError
        If it cannot be deployed, or does not run.
    """
    deployed = deploy(model, space, revision=revision, private=private, hardware=hardware)
    print(f"Model: {deployed.model_url}")
    print(f"Space: {deployed.space_url}{'' if deployed.changed else ' (nothing to change)'}", flush=True)
    for note in deployed.notes:
        print(note)
    if wait:
        wait_until_running(deployed.space, deployed.commit)
        print("The Space runs.")
