from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from demo import push
from demo.checks import CannotStartError, require_free_ports, require_git, take_home
from demo.guestbook import Guestbook, push_first_image
from demo.ports import free_port
from demo.processes import Child, ProcessFailedError, stop_all, stop_leftovers
from demo.progress import NotReachedError, Progress
from demo.world import World
from demo.world import main as world_main

RUN = "/api/v2/dags/guestbook.pipeline.guestbook/dagRuns"


def test_a_missing_git_is_one_clear_line():
    with pytest.raises(CannotStartError, match=r"^git is missing: install it .*\)$"):
        require_git(lambda _: None)


def test_a_port_in_use_is_one_clear_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotStartError, match=rf"^port {port}, needed by Airflow, is in use"):
            require_free_ports({port: "Airflow"})
    require_free_ports({port: "Airflow"})


def test_a_home_that_cannot_be_made_is_one_clear_line(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(CannotStartError, match=r"^no write access to .*file/home"):
        take_home(tmp_path / "file" / "home")


def test_a_second_demo_in_the_same_home_is_refused_until_the_first_ends(tmp_path: Path):
    with (
        take_home(tmp_path),
        pytest.raises(CannotStartError, match="running already: `make down` stops it"),
    ):
        take_home(tmp_path)
    take_home(tmp_path).close()


def test_a_world_whose_port_is_taken_says_so_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert world_main(["--folder", str(tmp_path), "--registry-port", port]) == 1
    assert "the demo world cannot start: " in capsys.readouterr().out


def test_the_first_image_is_pushed_once(world: World):
    digests = set()
    for _ in range(2):
        push_first_image(world.registry_url)
        answer = httpx.head(f"{world.registry_url}/v2/guestbook/manifests/1.0.0", trust_env=False)
        digests.add(answer.headers["docker-content-digest"])
    assert len(digests) == 1


def test_push_adds_a_version(world: World, capsys: pytest.CaptureFixture[str]):
    assert push.main(["1.1.0", "--registry", world.registry_url]) == 0
    assert capsys.readouterr().out.startswith("pushed guestbook:1.1.0 (sha256:")
    answer = httpx.get(f"{world.registry_url}/v2/guestbook/tags/list", trust_env=False)
    assert answer.json()["tags"] == ["1.1.0"]


def test_push_without_a_demo_says_what_to_start(capsys: pytest.CaptureFixture[str]):
    assert push.main(["1.1.0", "--registry", f"http://127.0.0.1:{free_port()}"]) == 1
    assert "is the demo running (make demo)?" in capsys.readouterr().out


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_step_is_one_line_with_its_seconds():
    out, clock = io.StringIO(), Clock()
    progress = Progress(out, clock, clock.sleep)
    clock.sleep(3)
    answers = iter([None, None, "brave-otter"])
    assert progress.until("image discovered", lambda: next(answers), timeout=5) == "brave-otter"
    assert out.getvalue() == "   4 s  image discovered               1.0 s  brave-otter\n"


def test_a_step_that_does_not_come_about_ends_the_wait():
    clock = Clock()
    with pytest.raises(NotReachedError, match=r"^dev promoted: not reached after 5 s$"):
        Progress(io.StringIO(), clock, clock.sleep).until("dev promoted", lambda: None, timeout=5)


def guestbook(folder: Path, answers: dict[str, object]) -> Guestbook:
    def answer(request: httpx.Request) -> httpx.Response:
        found = answers.get(request.url.path)
        return httpx.Response(404) if found is None else httpx.Response(200, json=found)

    api = httpx.Client(base_url="http://airflow", transport=httpx.MockTransport(answer))
    return Guestbook(api, folder)


def test_the_newest_run_named_after_freight_gives_the_alias(tmp_path: Path):
    runs = [{"dag_run_id": "manual__2026-01-01"}, {"dag_run_id": "brave-otter-0123456789ab"}]
    assert guestbook(tmp_path, {RUN: {"dag_runs": runs}}).discovered() == "brave-otter"
    assert guestbook(tmp_path, {}).discovered() is None


STATES = {
    "asked": ("awaiting_input", "see Required Actions"),
    "answered before": ("success", "decided before: success"),
    "not yet": ("queued", None),
}


@pytest.mark.parametrize(("state", "detail"), STATES.values(), ids=STATES)
def test_the_state_of_a_gate_is_told(tmp_path: Path, state: str, detail: str | None):
    seen = {
        RUN: {"dag_runs": [{"dag_run_id": "brave-otter-0123456789ab"}]},
        f"{RUN}/brave-otter-0123456789ab/taskInstances/prod.gate": {"state": state},
    }
    pipeline = guestbook(tmp_path, seen)
    pipeline.discovered()
    assert pipeline.waits_for_approval("prod") == detail


def test_a_failed_promotion_ends_the_wait(tmp_path: Path):
    seen = {
        RUN: {"dag_runs": [{"dag_run_id": "brave-otter-0123456789ab"}]},
        f"{RUN}/brave-otter-0123456789ab/taskInstances/dev.promote": {"state": "failed"},
    }
    pipeline = guestbook(tmp_path, seen)
    pipeline.discovered()
    with pytest.raises(NotReachedError, match=r"dev\.promote of brave-otter-0123456789ab: failed"):
        pipeline.promoted("dev")


def test_a_dag_file_that_does_not_load_is_named_with_its_error(tmp_path: Path):
    error = {"filename": "guestbook.py", "stack_trace": "Traceback\nValueError: no\n"}
    seen = {"/api/v2/importErrors": {"import_errors": [error]}}
    with pytest.raises(NotReachedError, match=r"^guestbook.py does not load: ValueError: no$"):
        guestbook(tmp_path, seen).dags_loaded()


# A program that starts another in a process group of its own, as Airflow's supervisor does, and tells its id.
PARENT = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, getattr(signal, sys.argv[2]))
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], process_group=0)
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(600)
"""


def start_parent(home: Path, on_term: str) -> tuple[Child, psutil.Process]:
    note = home / "grandchild"
    child = Child("parent", [sys.executable, "-c", PARENT, str(note), on_term], home, os.environ)
    child.start()
    deadline = time.monotonic() + 20
    while not (note.exists() and note.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return child, psutil.Process(int(note.read_text()))


def has_ended(process: psutil.Process) -> bool:
    """Zombies are gone: whoever inherits them has yet to collect them."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("on_term", ["SIG_DFL", "SIG_IGN"])
def test_stopping_leaves_no_descendant_even_of_a_child_that_ignores_it(
    tmp_path: Path, on_term: str
):
    child, grandchild = start_parent(tmp_path, on_term)
    stop_all([child], grace=0.5)
    assert not child.is_running()
    assert has_ended(grandchild)


def test_what_a_killed_run_left_is_found_by_the_next(tmp_path: Path):
    child, grandchild = start_parent(tmp_path, "SIG_DFL")
    assert stop_leftovers(tmp_path) == ["parent"]
    assert has_ended(grandchild)
    assert stop_leftovers(tmp_path) == []
    child.kill()


def test_a_process_id_that_was_given_to_another_program_is_left_alone(tmp_path: Path):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        (tmp_path / "run").mkdir()
        (tmp_path / "run/old.json").write_text(json.dumps({"pid": other.pid, "created": 1.0}))
        assert stop_leftovers(tmp_path) == []
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_program_that_ends_badly_is_named_with_its_log(tmp_path: Path):
    child = Child("db-migrate", [sys.executable, "-c", "raise SystemExit(3)"], tmp_path, os.environ)
    child.start()
    with pytest.raises(ProcessFailedError, match=r"db-migrate ended with exit code 3: see .*\.log"):
        child.wait()


def test_a_killed_child_can_be_started_again(tmp_path: Path):
    child, _ = start_parent(tmp_path, "SIG_DFL")
    first = child.pid
    child.kill()
    child.start()
    assert child.is_running()
    assert child.pid != first
    child.signal(signal.SIGTERM)
    child.kill()
