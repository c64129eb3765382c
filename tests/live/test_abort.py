"""A person ends a promotion, wherever it is; nothing of it goes on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.live.manifests import auto, project, stage, warehouse
from tests.live.terminal import airfreight
from tests.live.world import World, eventually, run_id_of

PROJECT = "abort"
PIPELINE = f"{PROJECT}.pipeline.app"
HANGING = ("busy", "marked", "cleared")
STAGES = ("waits", *HANGING)

WAITS = """\
      steps:
      - uses: http
        config: {url: "@BARRIER@/switch/abort", successExpression: response.body.open, pollInterval: 1h}"""


def hangs(name: str) -> str:
    """Return the template of a promotion whose git hangs for a minute, after which it gives up by itself."""
    return f"""\
      steps:
      - uses: git-clone
        config: {{repoURL: "@BARRIER@/hang/{name}.git", checkout: [{{branch: main, path: ./repo}}]}}
      - uses: http
        if: ${{{{ always() }}}}
        config: {{url: "@BARRIER@/mark/abort-{name}"}}"""


@pytest.fixture(scope="module")
def run(world: World) -> str:
    """Return a run with one promotion deferred and three whose `git` hangs."""
    world.registry.push_image("abort/app", "1.0.0", created=datetime.now(UTC))
    manifests = project(PROJECT, auto(*STAGES)) + warehouse("app", "abort/app")
    manifests += stage("waits", ["app"], "direct: true", WAITS)
    for name in HANGING:
        manifests += stage(name, ["app"], "direct: true", hangs(name))
    world.add_project(PROJECT, manifests)
    world.unpause(PIPELINE)
    world.unpause(f"{PROJECT}.warehouse.app")
    run_id = run_id_of(world.wait_for_freight(PROJECT, 1))
    world.wait_for_state(PIPELINE, run_id, "waits.promote", "deferred")
    for name in HANGING:
        eventually(lambda name=name: gits(name) != [])
    return run_id


def gits(name: str) -> list[int]:
    """Return the processes of `git` that hang for this Stage."""
    url = f"/hang/{name}.git"
    found = psutil.process_iter(["cmdline"])
    return [p.pid for p in found if any(url in word for word in p.info["cmdline"] or ())]


def promotion(world: World, name: str, run: str) -> dict[str, Any]:
    """Return the run's Promotion to the Stage, as its register has it."""
    register = world.register(f"airfreight://{PROJECT}/stages/{name}/register")
    found: dict[str, Any] = register[f"promotion/{register[f'run/{run}']['promotion']}"]
    return found


def work_directories(world: World, name: str, run: str) -> list[Path]:
    promoted = promotion(world, name, run)["promotion"]["name"]
    return list(world.folder.rglob(f"{promoted}.*"))


def abort(world: World, name: str, *words: str) -> str:
    code, out, err = airfreight(world, PROJECT, "abort", "--stage", name, *words)
    assert code == 0, err
    return out


@pytest.mark.parametrize("name", ["marked", "cleared"])
def test_a_promotion_that_was_marked_failed_or_cleared_in_airflow_leaves_nothing_behind(
    world: World, run: str, name: str
) -> None:
    """Guard: `PromoteOperator.on_kill`."""
    if name == "marked":
        world.mark(PIPELINE, run, "marked.promote", state="failed")
    else:
        world.clear(PIPELINE, run, "cleared.promote")
    eventually(lambda: gits(name) == [])
    eventually(lambda: work_directories(world, name, run) == [])
    assert world.barrier.names(f"abort-{name}") == []


def test_a_running_promotion_loses_its_programs_and_its_work_directory(
    world: World, run: str
) -> None:
    """Guard: `watched`, which asks the register while the step hangs."""
    assert gits("busy")
    assert work_directories(world, "busy", run)
    abort(world, "busy")
    world.wait_for_state(PIPELINE, run, "busy.promote", "failed")
    assert gits("busy") == []
    assert promotion(world, "busy", run)["status"]["message"] == "aborted by admin"
    assert promotion(world, "busy", run)["status"]["phase"] == "Aborted"
    assert work_directories(world, "busy", run) == []
    assert "aborted by admin" in world.log(PIPELINE, run, "busy.promote")
    assert world.barrier.names("abort-busy") == []


def test_a_queued_promotion_is_aborted_before_it_begins(world: World, run: str) -> None:
    """Guard: `abort_asked` in `PromoteOperator._begin`."""
    world.registry.push_image("abort/app", "1.0.1", created=datetime.now(UTC))
    second = run_id_of(world.wait_for_freight(PROJECT, 2))
    world.wait_for_state(PIPELINE, second, "waits.gate", "success")
    # Airflow lets one promote of a Stage go on at a time, a deferred one included.
    world.wait_for_state(PIPELINE, second, "waits.promote", "scheduled")
    abort(world, "waits", "--run", second)
    world.wait_for_state(PIPELINE, second, "waits.promote", "failed")
    assert f"run/{second}" not in world.register(f"airfreight://{PROJECT}/stages/waits/register")
    assert world.states(PIPELINE, run)["waits.promote"] == "deferred"


def test_a_deferred_promotion_is_aborted_at_once(world: World, run: str) -> None:
    """Guards: `request_abort` ends the Promotion in the register; the command wakes nobody up. `drop_kept_workdir`."""
    assert work_directories(world, "waits", run)
    out = abort(world, "waits", "--reason", "wrong day")
    assert run in out
    world.wait_for_state(PIPELINE, run, "waits.promote", "failed")
    status = promotion(world, "waits", run)["status"]
    assert status["phase"] == "Aborted"
    assert status["message"] == "aborted by admin: wrong day"
    assert [e["status"] for e in status["executions"]] == ["Aborted"]
    assert work_directories(world, "waits", run) == []


@pytest.mark.parametrize("name", ["marked", "cleared"])
def test_what_was_marked_failed_or_cleared_has_ended_as_aborted_when_the_run_is_through(
    world: World, run: str, name: str
) -> None:
    """Guards, where the killed task could not write any more: `OutcomeOperator`, and for a cleared one the next try."""
    assert world.wait_for_run(PIPELINE, run) == "failed"
    assert world.states(PIPELINE, run)[f"{name}.promote"] == "failed"
    status = promotion(world, name, run)["status"]
    assert (status["phase"], status["message"]) == (
        "Aborted",
        "its task was marked failed or cleared while it promoted",
    )


def test_nothing_that_has_ended_is_aborted(world: World, run: str) -> None:
    """Guard: `_check_abortable`."""
    conf = {"abort": run, "stages": ["busy"]}
    again = world.trigger(PIPELINE, conf)
    assert world.wait_for_run(PIPELINE, again) == "failed"
    assert "promotes nothing to Stage busy" in world.log(PIPELINE, again, "freight")
