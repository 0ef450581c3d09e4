"""Deploying to a Hub on loopback, through the real client: one commit, what it holds, and every refusal."""

import hashlib
import json
import logging
import re
import shlex
from importlib.metadata import version

import pytest
import yaml

from emotion.cli import main
from emotion.errors import PublishError
from emotion.model.loading import EMBEDDED
from emotion.model.publish import publish
from emotion.space.deploy import MANIFEST, deploy
from tests.hub_server import OTHER_TOKEN, READ_TOKEN, WRITE_TOKEN, HubServer

MODEL, SPACE = "user/facial-emotion", "user/facial-emotion"


@pytest.fixture
def published(hub: HubServer) -> HubServer:
    """A Hub with a published model, to whose owner we are signed in."""
    hub.sign_in()
    hub.add_repository(MODEL, EMBEDDED)
    return hub


def files(hub: HubServer, space: str = SPACE) -> dict[str, bytes]:
    return hub.files(space, repo_type="space")


def commits(hub: HubServer, repo_id: str = SPACE, repo_type: str = "space") -> list[str]:
    return [commit.message for commit in hub.repository(repo_id, repo_type).history()]


def deployed_earlier(hub: HubServer, contents: dict[str, bytes]) -> None:
    """Let an earlier version of this program have put these files there."""
    manifest = json.loads(files(hub)[MANIFEST])
    manifest |= {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}
    listed = {MANIFEST: json.dumps(manifest).encode()}
    hub.add_commit(hub.repository(SPACE, "space"), contents | listed)


def card(hub: HubServer, repo_id: str = SPACE, repo_type: str = "space") -> tuple[dict, str]:
    _, metadata, text = hub.files(repo_id, repo_type=repo_type)["README.md"].decode().split("---\n", 2)
    return yaml.safe_load(metadata), text


def test_a_space_is_created_and_filled_in_one_commit(published):
    deployed = deploy(MODEL)

    assert (deployed.model_url, deployed.space_url) == (
        f"{published.url}/{MODEL}",
        f"{published.url}/spaces/{SPACE}",
    )
    assert deployed.changed
    assert deployed.notes == ()
    assert commits(published)[:-2] == ["Deploy the facial emotion app"]
    uploaded = files(published)
    assert {
        "app.py",
        "requirements.txt",
        "LICENSE",
        "emotion/web/page.py",
        "emotion/web/style.css",
    } < uploaded.keys()
    assert {"emotion/vision/face_detector.tflite", "examples/README.md"} < uploaded.keys()
    unwanted = re.compile(
        r"test|benchmark|training|pretrained|emotion/(data|cli|space)|model\.(tflite|weights)|\.pyc|\.pyi"
    )
    assert not [path for path in uploaded if unwanted.search(path)]


def test_the_requirements_are_pinned_to_what_is_installed(published):
    deploy(MODEL)
    pinned = files(published)["requirements.txt"].decode().splitlines()
    assert f"gradio[mcp]=={version('gradio')}" in pinned
    assert f"numpy=={version('numpy')}" in pinned
    assert all(re.fullmatch(r"[\w.-]+(\[\w+\])?==[\w.]+", line) for line in pinned)


def test_the_card_configures_the_space_and_the_cards_link_to_each_other(published):
    deploy(MODEL)

    metadata, text = card(published)
    assert (metadata["sdk"], metadata["sdk_version"], metadata["app_file"]) == (
        "gradio",
        version("gradio"),
        "app.py",
    )
    assert re.fullmatch(r"3\.\d+", metadata["python_version"])
    assert metadata["models"] == metadata["preload_from_hub"] == [MODEL]
    # Links to the Space show the model's own picture.
    assert metadata["thumbnail"] == f"{published.url}/{MODEL}/resolve/main/plots/face-1.png"
    assert published.files(MODEL)["plots/face-1.png"].startswith(b"\x89PNG")
    assert f"({published.url}/{MODEL})" in text
    metadata, text = card(published, MODEL, "model")
    assert metadata["spaces"] == [SPACE]
    assert metadata["license"] == "other"  # the embedded model's: its pictures allow no more
    assert f"({published.url}/spaces/{SPACE})" in text


def test_the_space_is_told_its_model_and_looks_for_new_commits_of_it(published):
    deploy(MODEL)
    assert published.repository(SPACE, "space").variables == {
        "EMOTION_MODEL": MODEL,
        "EMOTION_REFRESH_MINUTES": "10",
    }


def test_a_second_time_nothing_changes(published):
    deploy(MODEL)
    before = commits(published), commits(published, MODEL, "model")
    published.requests.clear()

    deployed = deploy(MODEL)

    assert not deployed.changed
    assert (commits(published), commits(published, MODEL, "model")) == before
    assert not published.asked("POST .*/(variables|commit)")


def test_a_second_time_only_what_changed_is_committed(published):
    deploy(MODEL)
    newest = published.repository(SPACE, "space").branches["main"].files
    deployed_earlier(published, {"app.py": b"print('older')", "emotion/old.py": b"# not needed any more"})

    assert deploy(MODEL).changed

    assert published.repository(SPACE, "space").branches["main"].files == newest
    assert commits(published)[0] == "Deploy the facial emotion app"


def test_nobody_elses_files_are_removed(published):
    deploy(MODEL)
    deployed_earlier(published, {"emotion/old.py": b"# not needed any more"})
    theirs = {"notes.txt": b"mine", "emotion/notes.py": b"mine too", "emotion/old.py": b"# I need it"}
    published.add_commit(published.repository(SPACE, "space"), theirs)

    deploy(MODEL)

    assert theirs.items() <= files(published).items()


def test_what_a_person_wrote_into_the_card_stays(published):
    deploy(MODEL)
    metadata, _ = card(published)
    mine = yaml.safe_dump(metadata | {"title": "My faces", "pinned": True, "sdk_version": "5.0.0"})
    published.add_commit(
        published.repository(SPACE, "space"), {"README.md": f"---\n{mine}---\nMy words.\n".encode()}
    )

    for _ in range(2):
        deploy(MODEL)

    metadata, text = card(published)
    assert (metadata["title"], metadata["pinned"], text) == ("My faces", True, "My words.\n")
    assert metadata["sdk_version"] == version("gradio")
    assert commits(published).count("Deploy the facial emotion app") == 2


def test_a_space_of_something_else_is_left_alone(published):
    published.add_repository(SPACE, {"app.py": b"print('another app')"}, repo_type="space")
    with pytest.raises(PublishError, match=r"holds something else: its app\.py .* with --space"):
        deploy(MODEL)
    assert commits(published) == ["Add files", "initial commit"]
    assert not published.asked("POST .*/variables")


def test_a_commit_of_somebody_else_meanwhile_is_not_overwritten(published):
    deploy(MODEL)
    space = published.repository(SPACE, "space")
    published.add_commit(space, {"app.py": b"print('edited')"})
    published.refuse(f"POST .*{SPACE}/commit", 412, times=1)
    with pytest.raises(PublishError, match="user/facial-emotion was changed at the same time"):
        deploy(MODEL)


@pytest.mark.parametrize(
    ("given", "space"),
    [("", "user/facial-emotion"), ("demo", "user/demo"), ("laboratory/demo", "laboratory/demo")],
)
def test_the_name_of_the_space_is_completed_with_the_user(published, given, space):
    assert deploy(MODEL, given).space == space
    assert ("space", space) in published.repositories


def test_another_owner_s_model_is_served_and_its_card_left_alone(published):
    published.add_repository("somebody/model", EMBEDDED)

    deployed = deploy("somebody/model", SPACE)

    assert published.repository(SPACE, "space").variables == {"EMOTION_MODEL": "somebody/model"}
    assert deployed.notes == (
        "The card of somebody/model does not link to the Space: only its owner can change it.",
    )
    assert len(commits(published, "somebody/model", "model")) == 2


def test_another_model_is_taken_over_into_the_variable_and_the_card(published):
    published.add_repository("user/better", EMBEDDED)
    deploy(MODEL)
    deploy("user/better", SPACE, revision="main")
    assert published.repository(SPACE, "space").variables["EMOTION_MODEL"] == "user/better@main"
    metadata, _ = card(published)
    assert metadata["models"] == ["user/better"]
    assert "preload_from_hub" not in metadata


def test_publishing_the_model_again_keeps_the_link(published):
    deploy(MODEL)
    publish(EMBEDDED, MODEL, card=lambda _: (EMBEDDED / "README.md").read_text("utf-8"))
    metadata, text = card(published, MODEL, "model")
    assert metadata["spaces"] == [SPACE]
    assert text.count(f"/spaces/{SPACE}") == 1


def test_a_private_model_needs_a_token_in_the_space(published):
    published.add_repository("user/secret", EMBEDDED, private=True)
    deployed = deploy("user/secret", "user/hidden", private=True)
    assert published.repository("user/hidden", "space").private
    assert "as the secret HF_TOKEN" in deployed.notes[0]
    assert WRITE_TOKEN not in str(published.repository("user/hidden", "space").variables)


@pytest.mark.parametrize(
    ("model", "cause"),
    [
        ("user/nothing", "There is no model user/nothing on the Hub that you may see. Publish it first"),
        ("user/other", r"user/other holds no emotion\.json, so it is not a model of this project"),
        ("user/keras", r"holds no model\.tflite, and a Space has no TensorFlow"),
        ("no name/at all", "cannot be a name on the Hub"),
    ],
)
def test_what_is_no_model_is_refused_before_a_space_is_made(published, model, cause):
    published.add_repository("user/other", {"config.json": b"{}"})
    published.add_repository("user/keras", {"config.json": b"{}", "emotion.json": b"{}"})
    with pytest.raises(PublishError, match=cause):
        deploy(model)
    assert not [name for kind, name in published.repositories if kind == "space"]


@pytest.mark.usefixtures("published")
def test_a_revision_that_is_not_there_is_named():
    with pytest.raises(PublishError, match="has no branch, tag or commit 'v9'"):
        deploy(MODEL, revision="v9")


@pytest.mark.usefixtures("published")
def test_a_public_space_is_not_made_private_in_passing():
    deploy(MODEL)
    with pytest.raises(PublishError, match="exists and is public, so it would not stay private"):
        deploy(MODEL, private=True)


def test_a_folder_is_to_be_published_first(hub, capsys):
    assert main(["deploy", "--model", str(EMBEDDED)]) == 2
    assert f"    python train.py --publish {EMBEDDED} --push --space\n" in capsys.readouterr().err
    assert not hub.requests


@pytest.mark.parametrize(
    ("line", "status", "cause"),
    [
        ("POST /api/repos/create", 403, r"\(HTTP 403\)\. Check the owner"),
        ("POST .*/commit/", 429, r"\(HTTP 429\)\. Wait"),
        ("POST .*/commit/", 500, "The Hub has a problem"),
        ("GET .*/variables", 503, "The Hub has a problem"),
    ],
)
def test_a_refusal_names_the_cause_and_the_command_that_works_later(published, line, status, cause, capsys):
    published.refuse(line, status)
    assert main(["deploy", "--model", MODEL, "--space", "user/my-demo", "--private"]) == 2
    printed = capsys.readouterr().err
    assert re.search(cause, printed)
    assert "Traceback" not in printed
    published.heal()
    command = re.search(r"^    python -m emotion (deploy .*)$", printed, re.MULTILINE)[1]
    assert main(shlex.split(command)) == 0
    assert published.repository("user/my-demo", "space").private


@pytest.mark.parametrize(
    ("token", "cause"),
    [
        (None, "You are not signed in to the Hub"),
        (READ_TOKEN, "create a token with write access to user/facial-emotion"),
        (OTHER_TOKEN, "create a token with write access to user/facial-emotion"),
        ("hf_unknown", "The token is wrong"),
    ],
)
def test_a_token_that_may_not_write_is_named_as_the_cause(hub, token, cause):
    hub.add_repository(MODEL, EMBEDDED)
    if token:
        hub.sign_in(token)
    with pytest.raises(PublishError, match=cause) as refused:
        deploy(MODEL, SPACE)
    assert not token or token not in str(refused.value)
    assert f"    python -m emotion deploy --model {MODEL} --space {SPACE}" in str(refused.value)


def test_without_a_network_nothing_is_lost(published):
    published.stop()
    with pytest.raises(PublishError, match=r"The connection to the Hub .* failed"):
        deploy(MODEL, SPACE)


def test_the_command_prints_both_addresses_and_waits(published, capsys, caplog):
    caplog.set_level(logging.INFO)
    assert main(["deploy", "--model", MODEL, "--wait"]) == 0
    printed = capsys.readouterr().out
    assert printed == (
        f"Model: {published.url}/{MODEL}\nSpace: {published.url}/spaces/{SPACE}\nThe Space runs.\n"
    )
    assert "user/facial-emotion: running" in caplog.text
    main(["deploy", "--model", MODEL])
    assert f"Space: {published.url}/spaces/{SPACE} (nothing to change)\n" in capsys.readouterr().out


def test_the_list_of_deployed_files_is_complete(published):
    deploy(MODEL)
    uploaded = files(published)
    assert json.loads(uploaded[MANIFEST]).keys() == uploaded.keys() - {MANIFEST, ".gitattributes"}


GRADIO_REFUSED, ZEROGPU_REFUSED = "trying ZeroGPU", "creating a static Space"


def created(hub: HubServer) -> list[tuple[str, str | None]]:
    """What was asked for: SDK and hardware."""
    wanted = [json.loads(request.body) for request in hub.asked("POST /api/repos/create")]
    return [(each["sdk"], each.get("hardware")) for each in wanted if each.get("type") == "space"]


def test_an_account_without_a_plan_gets_a_space_on_zerogpu(published, caplog, capsys):
    published.refuse("POST /api/repos/create", 402, times=1)
    assert main(["deploy", "--model", MODEL]) == 0
    assert created(published) == [("gradio", None), ("gradio", "zero-a10g")]
    assert GRADIO_REFUSED in caplog.text
    assert ZEROGPU_REFUSED not in caplog.text
    assert "on ZeroGPU, whose GPU it never uses" in capsys.readouterr().out
    metadata, _ = card(published)
    assert (metadata["app_file"], metadata["python_version"]) == ("zerogpu.py", "3.12")
    uploaded = files(published)
    assert b"@spaces.GPU" in uploaded["zerogpu.py"]
    assert uploaded["requirements.txt"].endswith(b"\nspaces\n")
    assert published.repository(SPACE, "space").variables["EMOTION_MODEL"] == MODEL
    # It keeps its kind, whatever the account may have by now.
    assert main(["deploy", "--model", MODEL]) == 0
    assert "(nothing to change)" in capsys.readouterr().out
    assert main(["deploy", "--model", MODEL, "--space-kind", "static"]) == 2
    assert "is of the kind zerogpu, and keeps it" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("refusal", [402, 403])
def test_an_account_without_zerogpu_gets_a_static_space(published, refusal, caplog, capsys):
    published.refuse("POST /api/repos/create", 402, times=1)
    published.refuse("POST /api/repos/create", refusal, times=1)
    assert main(["deploy", "--model", MODEL]) == 0
    assert [sdk for sdk, _ in created(published)] == ["gradio", "gradio", "static"]
    assert GRADIO_REFUSED in caplog.text
    assert ZEROGPU_REFUSED in caplog.text
    assert "no API, clips" in capsys.readouterr().out
    uploaded, (metadata, text) = files(published), card(published)
    assert (metadata["sdk"], metadata["app_file"], metadata["models"]) == ("static", "index.html", [MODEL])
    assert "no picture leaves your device" in text
    assert {"index.html", "offline.js", "engine/worker.js", "model/model.tflite.gz"} <= uploaded.keys()
    assert json.loads(uploaded["model/engine.json"])["model"]["name"] == MODEL
    assert f"/spaces/{SPACE}" in card(published, MODEL, "model")[1]
    assert main(["deploy", "--model", MODEL]) == 0
    assert "(nothing to change)" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "wanted"),
    [("gradio", ("gradio", None)), ("zerogpu", ("gradio", "zero-a10g")), ("static", ("static", None))],
)
def test_a_kind_that_was_asked_for_is_made_or_refused(published, kind, wanted, capsys):
    published.refuse("POST /api/repos/create", 402, times=1)
    assert main(["deploy", "--model", MODEL, "--space-kind", kind]) == 2
    printed = capsys.readouterr().err
    assert re.search(r"does not run .* for free \(it says: .*--space-kind .*--hardware .*Dockerfile", printed)
    command = re.search(r"^    python -m emotion (deploy .*)$", printed, re.MULTILINE)[1]
    assert main(shlex.split(command)) == 0
    assert created(published) == [wanted, wanted]


def test_a_space_is_named_after_its_model(published):
    published.add_repository("user/second", EMBEDDED)
    assert deploy("user/second").space == "user/second"
    assert deploy(MODEL).space == SPACE


def test_a_space_that_served_another_model_says_so(published, capsys):
    published.add_repository("user/second", EMBEDDED)
    deploy(MODEL)
    assert main(["deploy", "--model", "user/second", "--space", SPACE]) == 0
    assert (
        f"The Space served {MODEL} until now, and serves user/second from now on" in capsys.readouterr().out
    )
