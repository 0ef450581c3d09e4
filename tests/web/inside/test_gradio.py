"""What is relied on inside Gradio, which it may change without notice: one line says what to look at again.

The upper bound in `requirements-app.txt` goes up when these tests pass with a new Gradio, and the others in
this folder do.
"""

import importlib
import inspect
import re

import gradio as gr
import pytest
from gradio import route_utils
from gradio.queueing import Queue
from gradio.routes import App
from gradio.state_holder import SessionState, StateHolder

from emotion.web.inside.requests import USED
from emotion.web.inside.start import without_type_stubs
from emotion.web.inside.uploads import PictureTools, use_own_uploads
from emotion.web.page import build_app

pytestmark = pytest.mark.slow

# Addresses of Gradio that were looked at, and that nothing of this page, its clients or MCP asks for.
CLOSED = {
    *("/login", "/logout", "/gradio_api/user", "/gradio_api/login_check", "/gradio_api/token"),
    *("/monitoring", "/monitoring/summary", "/monitoring/{}", "/pwa_icon", "/pwa_icon/{}"),
    *("/openapi.json", "/gradio_api/deep_link", "/gradio_api/dev/reload", "/gradio_api/queue/status"),
    *("/gradio_api/runs", "/gradio_api/run-history/connect", "/gradio_api/run-history/buckets"),
    *("/gradio_api/run-history/records", "/gradio_api/run-history/records/{}/{}/assets/{}"),
    *("/gradio_api/component_server", "/gradio_api/custom_component/{}/{}/{}/{}"),
    *("/gradio_api/proxy={}", "/gradio_api/file/{}", "/gradio_api/api/{}", "/gradio_api/process_recording"),
    *("/gradio_api/stream/{}", "/gradio_api/stream/{}/close"),
    *("/gradio_api/stream/{}/{}/{}/playlist.m3u8", "/gradio_api/stream/{}/{}/{}/playlist-file"),
    *("/gradio_api/stream/{}/{}/{}/{}.{}", "/gradio_api/vibe-edit", "/gradio_api/undo-vibe-edit"),
    *("/gradio_api/vibe-code", "/gradio_api/vibe-starter-queries"),
}


def unnamed(path):
    return re.sub(r"{[^}]*}", "{}", path.rstrip("/") or "/")


@pytest.fixture(scope="module")
def mounted():
    """The addresses that a Gradio app answers, without the names of their parts."""
    with gr.Blocks() as blocks:
        gr.State()
    app = App.create_app(blocks, mcp_server=True)
    paths = {*app.openapi()["paths"], *(route.path for route in app.routes if hasattr(route, "path"))}
    [mcp] = [route for route in app.routes if getattr(route, "path", None) == "/gradio_api/mcp"]
    return {unnamed(path) for path in (*paths, *(mcp.path + route.path for route in mcp.app.routes))}


def test_every_address_of_gradio_was_looked_at(mounted):
    said = f"Gradio {gr.__version__} answers more; they are closed until they stand in inside/requests.py"
    assert mounted - {unnamed(path) for path in USED} == CLOSED, said


def test_what_the_page_and_its_clients_ask_for_is_there(mounted):
    # What MCP's own server answers below its address.
    missing = {unnamed(path) for path in USED} - mounted - {"/gradio_api/mcp/http"}
    assert not missing, f"Gradio {gr.__version__} has no {missing} any more; see inside/requests.py"


def test_what_the_page_overrides_is_still_called_so():
    for name, parameters in {
        "preprocess_data": ["self", "block_fn", "inputs", "state", "explicit_call"],
        "process_api": ["self", "block_fn", "inputs", "state"],
    }.items():
        found = list(inspect.signature(getattr(gr.Blocks, name)).parameters)
        said = f"Gradio {gr.__version__} changed Blocks.{name}; see emotion/web/inside/blocks.py"
        assert found[: len(parameters)] == parameters, said
    assert "session_hash" in inspect.signature(gr.Blocks.process_api).parameters


def test_statistics_of_events_can_still_be_left_out(service):
    queue = build_app(service)._queue
    said = f"Gradio {gr.__version__} keeps statistics in another way; see inside/queue.py"
    assert queue.ANALYTICS_MAX_EVENTS == 1, said
    # Gradio's own spelling.
    assert queue.ANAYLTICS_CACHE_FREQUENCY > 10**9, said


def test_sessions_still_keep_values_where_they_are_dropped(service):
    state = SessionState(build_app(service))
    said = f"Gradio {gr.__version__} keeps sessions' values elsewhere; see emotion/web/inside/blocks.py"
    assert isinstance(state.config_values, dict), said
    assert state.config_values, said
    assert isinstance(state.state_data, dict), said


def test_a_session_still_describes_the_page_only_to_keep_values(service):
    app = build_app(service)
    sessions = StateHolder()
    sessions.set_blocks(app)
    said = f"Gradio {gr.__version__} makes sessions in another way; see LightSessions in inside/blocks.py"
    assert app.state_holder is sessions, said
    assert sessions["somebody"].config_values == {}, said
    assert set(sessions["somebody"].blocks_config.blocks) == set(app.blocks), said


def test_gradio_still_takes_the_classes_that_replace_its_own(service):
    said = f"Gradio {gr.__version__} does not use the classes of inside/uploads.py any more"
    use_own_uploads()
    assert "GradioUploadFile(" in inspect.getsource(route_utils.GradioMultiPartParser), said
    assert "sha.hexdigest()" in inspect.getsource(route_utils.upload_fn), said
    blocks = build_app(service)
    App.create_app(blocks, mcp_server=True)
    assert isinstance(blocks.mcp_server_obj, PictureTools), said


def test_type_stubs_are_still_written_when_a_component_is_made_but_for_our_start(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("quiet_component", "other_component"):
        (tmp_path / f"{name}.py").write_text("import gradio as gr\n\n\nclass Own(gr.HTML):\n    pass\n")

    with without_type_stubs():
        importlib.import_module("quiet_component")
    importlib.import_module("other_component")

    assert not (tmp_path / "quiet_component.pyi").exists()
    said = f"Gradio {gr.__version__} writes no stubs any more: delete without_type_stubs in inside/start.py"
    assert (tmp_path / "other_component.pyi").exists(), said


def test_the_queue_s_loop_still_asks_how_long_to_sleep():
    """The health check takes that for a sign of life."""
    source = inspect.getsource(Queue.start_processing)
    said = f"Gradio {gr.__version__} hands out events in another way; see SteadyQueue in inside/queue.py"
    assert source.count("self.sleep_when_free") == source.count("asyncio.sleep(") > 0, said
