"""Publishing to and pulling from a Hub on loopback, through the real client: what works and every refusal."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from emotion.errors import ModelLoadError, PublishError
from emotion.model.description import KERAS_FILES
from emotion.model.publish import publish, publish_command
from emotion.model.pull import pull
from emotion.report.metadata import marked
from tests.full_disk import full_disk
from tests.hub_server import OTHER_TOKEN, READ_TOKEN, WRITE_TOKEN, HubServer

pytestmark = pytest.mark.slow

CARD = b"---\nlicense: mit\nlibrary_name: keras\n---\n# A model\n"
PUBLISHED = {
    "README.md": CARD,
    "config.json": b'{"module": "keras"}',
    "emotion.json": b'{"labels": ["angry", "happy", "sad"]}',
    "metadata.json": b'{"keras_version": "3"}',
    "model.tflite": b"TFL3" + bytes(range(256)) * 300,
    "model.weights.h5": b"\x89HDF" + bytes(range(255, -1, -1)) * 500,
    "plots/roc.png": b"\x89PNG\0" + bytes(range(256)) * 4,
    "report.json": b'{"accuracy": {"value": 0.8}}',
}
KEPT_AT_HOME = {
    "wrong_faces.png": b"\x89PNG\0 faces of people",
    "checkpoints/epoch-3.weights.h5": b"\x89HDF\0",
    "log.csv": b"epoch,loss\n",
    "notes/README.md": b"private",
}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder as training leaves it: the saved model, and what must not be published."""
    folder = tmp_path / "my run"
    for name, content in {**PUBLISHED, **KEPT_AT_HOME}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def published(hub: HubServer) -> HubServer:
    """A Hub that already has the model user/model."""
    hub.add_repository("user/model", PUBLISHED)
    return hub


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def commits(hub: HubServer, repo_id: str = "user/model", branch: str = "main") -> list[str]:
    return [commit.message for commit in hub.repository(repo_id).history(branch)]


# Publishing


def test_publishing_makes_one_commit_with_the_published_files_only(hub: HubServer, saved: Path):
    hub.sign_in()

    url = publish(saved, "user/model")

    assert url == f"{hub.url}/user/model"
    assert commits(hub) == ["Publish a facial emotion model", "initial commit"]
    files = hub.files("user/model")
    del files[".gitattributes"]
    assert files == PUBLISHED
    assert content_of(saved) == {**PUBLISHED, **KEPT_AT_HOME}
    # Large files went to storage and were verified there; the storage host refuses requests with a token.
    assert len(hub.asked("PUT /storage")) == len(hub.asked("POST .*objects/verify")) == 3


@pytest.mark.parametrize(
    ("name", "full_name"),
    [
        (None, "user/facial-emotion"),
        ("", "user/facial-emotion"),
        ("faces", "user/faces"),
        ("laboratory/faces", "laboratory/faces"),
    ],
)
def test_name_is_completed_with_the_user_of_the_token(
    hub: HubServer, saved: Path, name: str | None, full_name: str
):
    assert publish(saved, name, token=WRITE_TOKEN) == f"{hub.url}/{full_name}"
    assert commits(hub, full_name)[1:] == ["initial commit"]


def test_private_model_is_seen_by_its_owner_only(hub: HubServer, saved: Path):
    publish(saved, "user/model", private=True, token=WRITE_TOKEN)

    assert hub.repository("user/model").private
    assert content_of(pull("user/model", token=READ_TOKEN).folder) == PUBLISHED
    for token in (None, OTHER_TOKEN):
        with pytest.raises(ModelLoadError, match=r"that you may see.*private, type `hf auth login`"):
            pull("user/model", token=token)


def test_private_is_refused_for_a_public_repository_before_anything_is_sent(
    published: HubServer, saved: Path
):
    with pytest.raises(PublishError, match=r"is public.*user/model/settings or choose another name"):
        publish(saved, "user/model", private=True, token=WRITE_TOKEN)

    assert commits(published) == ["Add files", "initial commit"]
    assert not published.asked("preupload|commit/")


def test_revision_and_tag(hub: HubServer, saved: Path):
    publish(saved, "user/model", token=WRITE_TOKEN)
    (saved / "report.json").write_bytes(b"{}")

    url = publish(saved, "user/model", revision="try/wide", tag="v1.0", token=WRITE_TOKEN)

    assert url == f"{hub.url}/user/model/tree/try%2Fwide"
    assert len(commits(hub)) == 2
    assert len(commits(hub, branch="try/wide")) == 3
    assert hub.repository("user/model").tags["v1.0"] is hub.repository("user/model").branches["try/wide"]
    assert hub.files("user/model")["report.json"] == PUBLISHED["report.json"]
    assert hub.files("user/model", "v1.0")["report.json"] == b"{}"


def test_publishing_the_same_again_changes_nothing_and_a_taken_tag_is_reported(hub: HubServer, saved: Path):
    for _ in range(2):
        publish(saved, "user/model", tag="v1", token=WRITE_TOKEN)
    assert len(commits(hub)) == 2

    (saved / "report.json").write_bytes(b"{}")
    with pytest.raises(PublishError, match=r"is published at .*the tag v1 already names another commit"):
        publish(saved, "user/model", tag="v1", token=WRITE_TOKEN)
    assert len(commits(hub)) == 3


def test_files_of_an_earlier_model_do_not_stay_beside_the_new_one(hub: HubServer, saved: Path):
    hub.add_repository("user/model", {**PUBLISHED, "plots/old.png": b"old", "LICENSE": b"mine"})
    (saved / "model.tflite").unlink()

    publish(saved, "user/model", token=WRITE_TOKEN)

    assert len(commits(hub)) == 3
    expected = (set(PUBLISHED) - {"model.tflite"}) | {"LICENSE", ".gitattributes"}
    assert set(hub.files("user/model")) == expected


REFUSALS = {
    "wrong token": (
        lambda hub: hub.sign_in("hf_revoked"),
        r"HTTP 401\)\. The token is wrong, expired or revoked.*write access at .* type `hf auth login`",
    ),
    "read-only token": (
        lambda hub: hub.sign_in(READ_TOKEN),
        r'says: .* under the namespace "user"" \(HTTP 403\).*write access to user/model at',
    ),
    "token of somebody else": (
        lambda hub: hub.sign_in(OTHER_TOKEN),
        r"\(HTTP 403\)\. Check the owner's name",
    ),
    "token that no header can carry": (lambda hub: hub.sign_in("hf_\u00fcx y"), r"Copy it again from https:"),
    "too many requests": (
        lambda hub: hub.refuse("POST /api/repos/create", 429, Retry_After="77"),
        r"\(HTTP 429\)\. Wait 77 seconds and publish again",
    ),
    "too many requests while preparing the upload": (
        lambda hub: hub.refuse("POST .*preupload", 429),
        r"\(HTTP 429\)\. Wait a few minutes and publish again",
    ),
    "quota of requests used up": (
        lambda hub: hub.refuse(
            "POST /api/repos/create",
            429,
            "You reached the quota of 100 repositories a day",
            RateLimit='"api";r=0;t=3455',
        ),
        r'says: "You reached the quota of 100 repositories a day" \(HTTP 429\)\. Wait 3455 seconds',
    ),
    "storage limit": (
        lambda hub: hub.refuse("POST .*objects/batch", 403, "Private repository storage limit reached"),
        r'says: "Private repository storage limit reached" \(HTTP 403\)\. Delete files .*settings/billing',
    ),
    "Hub down": (
        lambda hub: hub.refuse("POST /api/repos/create", 500),
        r"\(HTTP 500\)\. The Hub has a problem\. See https://status",
    ),
    "storage down": (lambda hub: hub.refuse("PUT /storage", 503), r"\(HTTP 503\)\. The Hub has a problem"),
    "commit fails": (lambda hub: hub.refuse("POST .*/commit/", 500), r"\(HTTP 500\)\. The Hub has a problem"),
    "someone else commits": (
        lambda hub: hub.refuse("POST .*/commit/", 412, "A commit has happened since"),
        r'says: "A commit has happened since" \(HTTP 412\)\. user/model was changed at the same time',
    ),
    "repository deleted meanwhile": (
        lambda hub: hub.refuse("POST .*/commit/", 404, "Repository not found"),
        r"There is no user/model on the Hub that you may see",
    ),
    "quota": (
        lambda hub: hub.refuse("POST .*objects/batch", 413, "Your storage is full"),
        r'says: "Your storage is full" \(HTTP 413\)\. Delete files',
    ),
    "upload cut": (lambda hub: hub.cut("PUT /storage"), r"connection to the Hub .* failed or broke off"),
    "commit cut": (lambda hub: hub.cut("POST .*/commit/"), r"connection to the Hub .* failed or broke off"),
    "login page": (lambda hub: hub.impersonate("POST /api/repos"), r"Publishing failed \(JSONDecodeError"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal_says_what_to_do_and_loses_nothing(hub: HubServer, saved: Path, name: str):
    prepare, message = REFUSALS[name]
    hub.sign_in()
    prepare(hub)
    token = (hub.home / "token").read_text()

    with pytest.raises(PublishError, match=message) as refusal:
        publish(saved, "user/model", tag="v1")

    assert str(refusal.value).endswith(
        "without training again:\n" + f"    python train.py --publish '{saved}' --push user/model --tag v1"
    )
    assert token not in str(refusal.value)
    assert content_of(saved) == {**PUBLISHED, **KEPT_AT_HOME}
    if ("model", "user/model") in hub.repositories:  # all or nothing; a lost answer may mean all
        assert set(hub.files("user/model")) - {".gitattributes"} in (set(), set(PUBLISHED))

    hub.heal()
    hub.sign_in()
    publish(saved, "user/model", tag="v1")
    assert PUBLISHED.items() <= hub.files("user/model", "v1").items()
    assert len(commits(hub)) == 2


def test_without_a_token_nothing_is_asked_of_the_hub(hub: HubServer, saved: Path):
    with pytest.raises(
        PublishError, match=r"not signed in.*write access at https://.*`hf auth login`"
    ) as error:
        publish(saved)

    assert str(error.value).endswith(f"\n    python train.py --publish '{saved}' --push")
    assert hub.requests == []


@pytest.mark.usefixtures("published")
def test_token_true_means_the_one_that_is_signed_in():
    assert (pull("user/model", token=True).folder / "emotion.json").is_file()


def test_upload_through_xet_that_fails(hub: HubServer, saved: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("hf_xet")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)  # this Hub has no Xet storage
    with pytest.raises(PublishError, match=r"(?s)upload broke off.*HF_HUB_DISABLE_XET=1.*--push user/model$"):
        publish(saved, "user/model", token=WRITE_TOKEN)
    assert commits(hub) == ["initial commit"]


def test_without_a_network(hub: HubServer, saved: Path):
    hub.sign_in()
    hub.stop()
    with pytest.raises(PublishError, match=r"(?s)failed or broke off.*Check the network.*--push user/model"):
        publish(saved, "user/model")
    with pytest.raises(PublishError, match=r"(?s)failed or broke off.*--push$"):
        publish(saved)


@pytest.mark.usefixtures("hub")
def test_offline_mode_is_named(saved: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(PublishError, match=r"HF_HUB_OFFLINE is set.*Unset it"):
        publish(saved, "user/model", token=WRITE_TOKEN)
    with pytest.raises(ModelLoadError, match=r"HF_HUB_OFFLINE is set.*no complete copy of user/model"):
        pull("user/model")


@pytest.mark.parametrize("name", ["user/a/b", "user/with space", "user/two--dashes", "user/"])
def test_impossible_names(hub: HubServer, saved: Path, name: str):
    with pytest.raises(PublishError, match=r"cannot be a name on the Hub. Use owner/name"):
        publish(saved, name, token=WRITE_TOKEN)
    with pytest.raises(ModelLoadError, match="cannot name a model on the Hub; write owner/name"):
        pull(name)
    assert hub.requests == []


def test_folder_without_a_saved_model(hub: HubServer, tmp_path: Path):
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(PublishError, match=r"holds no saved model \(emotion.json is missing\)"):
            publish(folder, "user/model", token=WRITE_TOKEN)
    assert hub.requests == []


def test_card_that_the_hub_would_refuse_is_reported_before_the_upload(hub: HubServer, saved: Path):
    (saved / "README.md").write_text("---\nmodel-index:\n- results: []\n---\n")
    with pytest.raises(PublishError, match=r"(?s)Invalid metadata in README.md.*model-index\[\].name"):
        publish(saved, "user/model", token=WRITE_TOKEN)
    assert not hub.asked("PUT /storage|/commit/")


def test_passing_troubles_are_waited_out(hub: HubServer, saved: Path):
    hub.refuse("POST .*preupload", 429, times=1, Retry_After="3")
    hub.refuse("PUT /storage", 500, times=1)
    hub.cut("PUT /storage", times=1)

    publish(saved, "user/model", token=WRITE_TOKEN)

    assert PUBLISHED.items() <= hub.files("user/model").items()
    assert len(commits(hub)) == 2
    assert 4 in hub.waits  # the three seconds that the Hub asked for, and one more


def test_command_names_every_choice():
    assert publish_command("runs/today", "user/model", private=True, revision="dev", tag="v1") == (
        "python train.py --publish runs/today --push user/model --private --revision dev --tag v1"
    )


# Pulling


def test_pull_fetches_the_published_files_and_nothing_else(hub: HubServer):
    strangers = {
        "custom_layers.py": b"import os",
        "pytorch_model.bin": b"\0pickle",
        "emotion/__init__.py": b"",
    }
    repository = hub.add_repository("user/model", {**PUBLISHED, **strangers})

    snapshot = pull("user/model")

    assert content_of(snapshot.folder) == PUBLISHED
    assert snapshot.revision == repository.branches["main"].sha
    assert not snapshot.offline


def test_a_model_that_would_fill_the_disk_is_refused_before_anything_is_fetched(hub: HubServer):
    hub.add_repository("user/model", {**PUBLISHED, "pytorch_model.bin": b"not fetched anyway"})
    hub.announced_sizes["model.tflite"] = 50 * 2**30
    with pytest.raises(ModelLoadError, match=r"user/model .* takes 51,200 MiB, .* above 1,024 MiB are not"):
        pull("user/model")
    fetches = "GET .*/resolve/|GET /storage"
    assert not hub.asked(fetches)

    hub.announced_sizes = {"pytorch_model.bin": 2**40}
    assert content_of(pull("user/model").folder) == PUBLISHED, "what is not fetched does not count"
    assert hub.asked(fetches)


def test_what_serves_alone_is_fetched_without_keras_files_and_may_be_smaller_only(published: HubServer):
    published.announced_sizes["model.weights.h5"] = 2**29
    served = {name: content for name, content in PUBLISHED.items() if name not in KERAS_FILES}
    assert content_of(pull("user/model", serving_only=True).folder) == served
    published.announced_sizes["model.tflite"] = 2**29
    with pytest.raises(ModelLoadError, match=r"above 80 MiB are not fetched here\. Use a smaller one"):
        pull("user/model", serving_only=True)


def test_pull_knows_branches_tags_and_commits(hub: HubServer, tmp_path: Path):
    repository = hub.add_repository("user/model", PUBLISHED)
    first = repository.branches["main"]
    repository.branches["dev/two"] = first
    second = hub.add_commit(repository, {"report.json": b"second"}, branch="dev/two")
    repository.tags["v2"] = second
    third = hub.add_commit(repository, {"report.json": b"third"})

    wanted = {None: third, "main": third, "dev/two": second, "v2": second}
    wanted |= {commit.sha: commit for commit in (first, second, third)} | {first.sha[:8]: first}
    for revision, commit in wanted.items():
        snapshot = pull("user/model", revision=revision, cache_dir=tmp_path)
        assert snapshot.revision == commit.sha
        assert (snapshot.folder / "report.json").read_bytes() == hub.objects[commit.files["report.json"]]


def test_pull_gets_a_newer_commit_and_fetches_only_what_changed(published: HubServer):
    old = pull("user/model").revision
    published.add_commit(published.repository("user/model"), {"report.json": b"newer"})
    published.requests.clear()

    snapshot = pull("user/model")

    assert snapshot.revision != old
    assert content_of(snapshot.folder) == {**PUBLISHED, "report.json": b"newer"}
    assert [request.path.split("/")[-1] for request in published.asked("^GET .*/resolve/")] == ["report.json"]
    assert not published.asked("GET /storage")


UNREACHABLE = {
    "no network": lambda hub: hub.stop(),
    "Hub down": lambda hub: hub.refuse("", 500),
    "too many requests": lambda hub: hub.refuse("", 429),
    "connection cut": lambda hub: hub.cut(""),
    "login page": lambda hub: hub.impersonate(""),
}


@pytest.mark.parametrize("name", UNREACHABLE)
def test_unreachable_hub_means_the_local_copy(
    published: HubServer, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
):
    online = pull("user/model")
    UNREACHABLE[name](published)

    offline = pull("user/model")

    assert (offline.folder, offline.revision, offline.offline) == (online.folder, online.revision, True)
    assert "using the local copy of user/model" in caplog.text
    assert pull("user/model", revision=online.revision).offline
    for revision, cache in (("v9", None), (None, tmp_path / "empty cache")):
        with pytest.raises(
            ModelLoadError, match=r"cannot be reached \(.+\).*holds no complete copy of user/m"
        ):
            pull("user/model", revision=revision, cache_dir=cache)


def test_hub_that_never_answers_means_the_local_copy(published: HubServer):
    online = pull("user/model")
    published.stall("")
    assert pull("user/model", answer_seconds=0.05).folder == online.folder
    with pytest.raises(ModelLoadError, match=r"cannot be reached \(.*timed out\)"):
        pull("user/another", answer_seconds=0.05)


def test_offline_mode_uses_the_local_copy(published: HubServer, monkeypatch: pytest.MonkeyPatch):
    online = pull("user/model")
    published.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    assert pull("user/model").folder == online.folder
    assert published.requests == []


PULL_REFUSALS = {
    "no such model": (
        "user/nothing",
        {},
        r"There is no user/nothing on the Hub .*Check the name at http",
    ),
    "no such model, signed in": ("user/nothing", {"token": READ_TOKEN}, r"There is no user/nothing"),
    "no such revision": (
        "user/model",
        {"revision": "v9"},
        r"no branch, tag or commit 'v9'. See .*/commits/main",
    ),
    "wrong token": ("user/model", {"token": "hf_revoked"}, r"token is wrong.*HF_TOKEN, when set"),
    "strange token": ("user/model", {"token": "hf_a\nb"}, r"holds characters that no token has"),
    "gated, not signed in": (
        "user/gated",
        {},
        r"Only people whom its owner lets in .*Ask at .*/user/gated, then type `hf auth login`",
    ),
    "gated": (
        "user/gated",
        {"token": OTHER_TOKEN},
        r"Only people whom its owner lets in .*Ask at .*/user/gated",
    ),
    "not ours": (
        "user/other",
        {},
        r"user/other on the Hub holds no emotion.json, so it is not a model of this",
    ),
}


@pytest.mark.parametrize("name", PULL_REFUSALS)
def test_pull_refusals(published: HubServer, name: str):
    published.add_repository("user/gated", PUBLISHED, gated=True)
    published.add_repository("user/other", {"config.json": b"{}"})
    repo_id, options, message = PULL_REFUSALS[name]

    with pytest.raises(ModelLoadError, match=message) as refusal:
        pull(repo_id, **options)

    token = options.get("token")
    assert not token or token not in str(refusal.value)
    assert not published.asked("GET .*resolve|GET /storage")


def test_token_without_permission_to_read(published: HubServer):
    published.refuse("GET /api/models/user/model", 403, "Your token lacks this permission")
    message = r'says: "Your token lacks this permission".*token with read access to user/model'
    with pytest.raises(ModelLoadError, match=message):
        pull("user/model", token=READ_TOKEN)


@pytest.mark.usefixtures("published")
def test_wrong_token_is_not_hidden_behind_the_local_copy():
    pull("user/model")
    with pytest.raises(ModelLoadError, match="token is wrong"):
        pull("user/model", token="hf_revoked")


def test_cut_download_goes_on_where_it_stopped(published: HubServer, monkeypatch: pytest.MonkeyPatch):
    # The client keeps what arrived in whole pieces; by default a piece is larger than our files.
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    published.cut("GET /storage", after=70_500, times=2)

    assert content_of(pull("user/model").folder) == PUBLISHED

    ranges = {request.headers.get("range") for request in published.asked("GET /storage")}
    assert "bytes=70000-" in ranges


def test_download_that_is_always_cut_leaves_nothing_behind(published: HubServer):
    published.cut("GET /storage", after=10)
    with pytest.raises(
        ModelLoadError, match=r"download of user/model .* failed \(.+\). Check the connection"
    ):
        pull("user/model")

    published.refuse("", 500)
    with pytest.raises(ModelLoadError, match="holds no complete copy of user/model"):
        pull("user/model")
    published.heal()
    assert content_of(pull("user/model").folder) == PUBLISHED


def test_server_error_in_the_middle_of_a_download(published: HubServer):
    published.refuse("HEAD .*model.tflite", 500)
    with pytest.raises(ModelLoadError, match=r"download of user/model from the Hub failed \(HTTP 500\)"):
        pull("user/model")
    published.heal()
    assert content_of(pull("user/model").folder) == PUBLISHED


def test_truncated_file_is_refused(published: HubServer):
    published.shorten("GET /storage")
    with pytest.raises(ModelLoadError, match="should be of size"):
        pull("user/model")
    published.heal()
    assert content_of(pull("user/model").folder) == PUBLISHED


@pytest.mark.parametrize("place", ["GET /storage", "GET .*/resolve/.*report.json"])
def test_file_with_a_wrong_hash_is_fetched_again(published: HubServer, place: str):
    published.corrupt(place, times=1)
    assert content_of(pull("user/model").folder) == PUBLISHED


def test_file_whose_hash_stays_wrong_is_refused_and_not_kept(published: HubServer):
    published.corrupt("GET .*/resolve/.*emotion.json")
    with pytest.raises(
        ModelLoadError, match=r"emotion.json of user/model arrived damaged twice.*another conn"
    ):
        pull("user/model")
    published.heal()
    assert content_of(pull("user/model").folder) == PUBLISHED


def test_damaged_local_copy_is_refused_offline_and_repaired_online(published: HubServer):
    snapshot = pull("user/model")
    (snapshot.folder / "model.tflite").write_bytes(b"damaged")  # through the link, into the cache
    published.refuse("", 500)
    with pytest.raises(ModelLoadError, match=r"copy of user/model is damaged. Solve that and try again"):
        pull("user/model")
    published.heal()
    assert content_of(pull("user/model").folder) == PUBLISHED


def test_mirror_that_names_files_its_own_way(published: HubServer):
    published.change_header("resolve/.*report.json", "ETag", '"1700000000-28"')
    assert content_of(pull("user/model").folder) == PUBLISHED


@pytest.mark.usefixtures("published")
def test_disk_without_links(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    snapshot = pull("user/model", cache_dir=tmp_path / "plain files")
    assert not any(path.is_symlink() for path in snapshot.folder.rglob("*"))
    assert content_of(snapshot.folder) == PUBLISHED


@pytest.mark.usefixtures("hub")
def test_token_is_never_logged(saved: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    publish(saved, "user/model", private=True, token=WRITE_TOKEN)
    pull("user/model", token=WRITE_TOKEN)
    assert "commit" in caplog.text
    assert WRITE_TOKEN not in caplog.text


@pytest.mark.slow
def test_another_process_finds_the_hub_by_its_environment(published: HubServer):
    code = (
        "import sys; from emotion.model.pull import pull; snapshot = pull('user/model');"
        "print(snapshot.revision, 'tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    environment = {**published.environment, "PYTHONPATH": os.fspath(root)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [published.repository("user/model").branches["main"].sha, "False", "False"]


def test_a_newer_commit_that_the_disk_does_not_take_leaves_the_older_copy(published: HubServer):
    old = pull("user/model")
    published.add_commit(published.repository("user/model"), {"model.tflite": b"TFL3" + bytes(2000)})
    with full_disk():
        still = pull("user/model")
        assert (still.folder, still.revision, still.offline) == (old.folder, old.revision, True)
        message = r"cache .* cannot be written \(File too large\).*no complete copy of user/model"
        with pytest.raises(ModelLoadError, match=message):
            pull("user/model", cache_dir=published.home / "other")
    assert content_of(pull("user/model").folder)["model.tflite"] == b"TFL3" + bytes(2000)


COUNTED = "(HEAD|GET) .*/resolve/.*config.json"


def test_the_hub_counts_a_pull_that_serves_although_it_needs_no_keras_file(published: HubServer):
    for number in (1, 2):
        pull("user/model", serving_only=True, token=False)
        asked = published.asked(COUNTED)
        assert [request.method for request in asked] == ["HEAD"] * number
        assert not any("authorization" in request.headers for request in asked)
    assert not published.asked("GET .*config.json")


def test_the_hub_counts_a_whole_pull_once_whether_it_is_cached_or_not(published: HubServer):
    pull("user/model")
    assert len(published.asked("GET .*/resolve/.*config.json")) == 1
    published.requests.clear()
    pull("user/model")
    assert [request.method for request in published.asked(COUNTED)] == ["HEAD"]


def test_a_download_that_cannot_be_counted_is_served(published: HubServer):
    published.refuse("HEAD .*config.json", 429)
    assert not pull("user/model", serving_only=True).offline


def test_a_second_push_keeps_what_a_person_changed_in_the_card(hub: HubServer, saved: Path):
    def card(figure: str) -> str:
        text = f"# A model\n\n{figure} right.\n\n## Limits\n\nNone."
        return marked(f"---\nlicense: other\nlicense_name: not-stated\n---\n\n{text}")

    hub.sign_in()
    publish(saved, "user/model", card=lambda _: card("80%"))
    theirs = hub.files("user/model")["README.md"].decode()
    theirs = theirs.replace("license: other\nlicense_name: not-stated", "license: cc-by-4.0")
    theirs = theirs.replace("None.", "None.\n\nAsk Ada.")
    hub.add_commit(hub.repository("user/model"), {"README.md": theirs.encode()})
    publish(saved, "user/model", card=lambda _: card("90%"))
    kept = hub.files("user/model")["README.md"].decode()
    assert "license: cc-by-4.0" in kept
    assert "license_name" not in kept
    assert "None.\n\nAsk Ada." in kept
    assert "90% right." in kept
    assert "80%" not in kept
