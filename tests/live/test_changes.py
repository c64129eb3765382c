"""Manifests that change, or break, while a gate is open and a promotion is deferred."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.live.manifests import PASSES, auto, marks, project, stage, warehouse
from tests.live.world import RegisterStore, World, eventually, run_id_of

PROJECT = "changes"
PIPELINE = f"{PROJECT}.pipeline.app"
# Seconds in which the scheduler looks twice for assets that no DAG names.
CLEANUPS = 12
CLUSTER_FILE = "_cluster/changes.yaml"
CLUSTER_TASK = """\
apiVersion: kargo.akuity.io/v1alpha1
kind: ClusterPromotionTask
metadata: {name: changes}
spec:
  steps:
  - uses: compose-output
    config: {tag: any}
"""
USES_CLUSTER_TASK = """\
      steps:
      - task: {kind: ClusterPromotionTask, name: changes}"""

WAITS = """\
      steps:
      - uses: http
        config: {url: "@BARRIER@/switch/changes", successExpression: response.body.open, pollInterval: 10s}
      - uses: http
        config: {url: "@BARRIER@/mark/changes-waits-${{ ctx.targetFreight.alias }}"}"""


def manifests(
    *,
    done: str = "done",
    refused: str = "refused",
    ask: str = "ask",
    fresh: bool = False,
    plan: str = "changes-plan",
) -> str:
    """Return the project; a Stage whose name is empty is left out."""
    text = project(PROJECT, auto("waits", "done", "fresh")) + warehouse("app", "changes/app")
    text += stage("waits", ["app"], "direct: true", WAITS)
    for name in filter(None, (done, refused, ask)):
        text += stage(name, ["app"], "direct: true", marks(f"changes-{name}"))
    if fresh:
        text += stage("fresh", ["app"], "direct: true", marks("changes-fresh"))
    text += stage("plan", ["app"], "direct: true", marks(plan))
    return text + stage("cluster", ["app"], "direct: true", USES_CLUSTER_TASK)


def cluster_file(world: World) -> Path:
    return world.folder / "include" / "pipelines" / CLUSTER_FILE


@pytest.fixture(scope="module")
def run(world: World) -> str:
    """Return a run with one Stage done, one promotion deferred, one request rejected and three open."""
    world.registry.push_image("changes/app", "1.0.0", created=datetime.now(UTC))
    cluster_file(world).write_text(CLUSTER_TASK)
    world.add_project(PROJECT, manifests())
    calm = project("calm", auto("dev")) + warehouse("app", "changes/app")
    world.add_project("calm", calm + stage("dev", ["app"], "direct: true", PASSES))
    for dag_id in (PIPELINE, f"{PROJECT}.warehouse.app", "calm.pipeline.app", "calm.warehouse.app"):
        world.unpause(dag_id)
    run_id = run_id_of(world.wait_for_freight(PROJECT, 1))
    world.wait_for_state(PIPELINE, run_id, "waits.promote", "deferred")
    world.wait_for_state(PIPELINE, run_id, "done.verify", "success")
    for name in ("refused", "ask", "plan", "cluster"):
        world.wait_for_state(PIPELINE, run_id, f"{name}.gate", "awaiting_input")
    world.answer(PIPELINE, run_id, "refused.gate", "Reject")
    world.wait_for_state(PIPELINE, run_id, "refused.gate", "failed")
    return run_id


def change(world: World, text: str, seen: Callable[[list[str]], bool]) -> None:
    """Write the manifests and wait until the DAG's tasks are as they should be then."""
    world.write_manifests(PROJECT, text)
    eventually(lambda: seen(world.task_ids(PIPELINE)))


def promoted(world: World, name: str) -> int:
    return len(world.barrier.names(f"changes-{name}-"))


def import_errors(world: World) -> str:
    return "\n".join(row["stack_trace"] for row in world.get("/importErrors")["import_errors"])


def test_a_syntax_error_names_its_line_and_touches_no_other_project(world: World, run: str) -> None:
    """Guard: one DAG file a project, and `load`, which raises for that project alone."""
    text = manifests()
    broken = text.replace("kind: Warehouse\n", "kind: [Warehouse\n", 1)
    line = broken[: broken.index("kind: [Warehouse")].count("\n") + 1
    world.write_manifests(PROJECT, broken)
    eventually(lambda: f"project.yaml:{line + 1}:" in import_errors(world))
    assert "calm" not in import_errors(world)
    refreshed = world.trigger("calm.warehouse.app")
    assert world.wait_for_run("calm.warehouse.app", refreshed) == "success"
    world.write_manifests(PROJECT, text)
    eventually(lambda: "project.yaml" not in import_errors(world))
    # Where it woke up while the file was broken, Airflow sent it back ([workers] missing_dag_retry_delay).
    world.wait_for_state(PIPELINE, run, "waits.promote", "deferred")
    assert world.run_state(PIPELINE, run) == "running"


def test_a_removed_stage_that_comes_back_neither_promotes_nor_asks_again(
    world: World, run: str
) -> None:
    """Guards: `GateOperator._close_if_passed`, for Airflow runs a task again that was away; `tie`, without which
    Airflow deletes what the register knows of a Stage that no DAG names.

    Without either the rejected one asks again; the other is also kept by what its Stage holds.
    """
    change(world, manifests(done="", refused=""), lambda tasks: "done.gate" not in tasks)
    eventually(lambda: world.states(PIPELINE, run).get("refused.gate") == "removed")
    time.sleep(CLEANUPS)
    change(world, manifests(), lambda tasks: "done.gate" in tasks)
    for name in ("done", "refused"):
        world.wait_for_state(PIPELINE, run, f"{name}.gate", "skipped")
    assert (promoted(world, "done"), promoted(world, "refused")) == (1, 0)


def test_a_project_whose_dags_were_deleted_comes_back_with_all_it_knew(
    world: World, run: str
) -> None:
    """Guard: `tie`. Without it Airflow deletes what was kept of assets that have seen no event: the metadata.

    A DAG that is only stale keeps its inlets, and with them their state.
    """
    pipeline, metadata = "calm.pipeline.app", "airfreight://calm/metadata"
    kept = (metadata, "airfreight://calm/stages/dev/register", "airfreight://calm/warehouses/app")
    file = world.folder / "dags" / "calm.py"
    own = run_id_of(world.wait_for_freight("calm", 1))
    assert world.wait_for_run(pipeline, own) == "success"
    eventually(lambda: world.holds("calm", "dev"))
    RegisterStore(world, metadata).set("stage/dev", {"owner": "alice"})
    before = [world.register(uri) for uri in kept]
    source = file.read_text()
    file.unlink()
    eventually(lambda: world.get(f"/dags/{pipeline}")["is_stale"])
    dags = (pipeline, "calm.warehouse.app")
    for dag_id in dags:
        world.rest.delete(f"/api/v2/dags/{dag_id}").raise_for_status()
    time.sleep(CLEANUPS)
    file.write_text(source)
    for dag_id in dags:
        world.unpause(dag_id)
    assert [world.register(uri) for uri in kept] == before


def test_an_added_stage_takes_its_candidate_and_a_renamed_one_asks_anew(
    world: World, run: str
) -> None:
    """Guard: the gate's own look at the register in a run that is older than the Stage."""
    text = manifests(ask="asks", fresh=True)
    change(world, text, lambda tasks: {"fresh.gate", "asks.gate"} <= set(tasks))
    world.wait_for_state(PIPELINE, run, "fresh.verify", "success")
    world.wait_for_state(PIPELINE, run, "asks.gate", "awaiting_input")
    assert promoted(world, "fresh") == 1
    assert promoted(world, "ask") == promoted(world, "asks") == 0
    assert world.answer(PIPELINE, run, "asks.gate", "Approve").status_code == 200
    world.wait_for_state(PIPELINE, run, "asks.verify", "success")
    assert promoted(world, "asks") == 1


def test_steps_that_changed_after_the_request_are_not_run_and_are_asked_for_anew(
    world: World, run: str
) -> None:
    """Guard: the digest of the steps in `check_decision`."""
    world.write_manifests(PROJECT, manifests(ask="asks", fresh=True, plan="changes-new"))
    world.answer(PIPELINE, run, "plan.gate", "Approve")
    world.wait_for_state(PIPELINE, run, "plan.promote", "failed")
    log = world.log(PIPELINE, run, "plan.promote")
    assert "the steps changed after the approval; clear the gate to ask again" in log
    assert promoted(world, "plan") == promoted(world, "new") == 0
    # A scheduler that is just ending `verify` after its failed promote would undo the clearing of it.
    world.wait_for_state(PIPELINE, run, "plan.verify", "upstream_failed")
    world.clear(PIPELINE, run, "plan.gate", downstream=True)
    world.answer(PIPELINE, run, "plan.gate", "Approve")
    world.wait_for_state(PIPELINE, run, "plan.verify", "success")
    assert (promoted(world, "plan"), promoted(world, "new")) == (0, 1)


def test_a_wrong_field_in_a_cluster_task_stops_only_the_stages_that_use_it(
    world: World, run: str
) -> None:
    """Guard: `refuse_disabled` in gate and promote, with the located problems of the task that the Stage uses."""
    cluster_file(world).write_text(CLUSTER_TASK.replace("steps:", "steps: {}\n  wrong:"))
    try:
        refused_by = approve_or_find_refused(world, run, "cluster")
        said = f"'changes' has errors; it is declared at {CLUSTER_FILE}:1:1"
        assert said in world.log(PIPELINE, run, refused_by)
        refreshed = world.trigger("calm.warehouse.app")
        assert world.wait_for_run("calm.warehouse.app", refreshed) == "success"
    finally:
        cluster_file(world).write_text(CLUSTER_TASK)


def approve_or_find_refused(world: World, run: str, name: str) -> str:
    """Approve the Stage's request and return the task that fails: the gate itself where it looks before the answer."""

    def open_or_failed() -> str | None:
        state = world.states(PIPELINE, run)[f"{name}.gate"]
        return state if state in ("awaiting_input", "failed") else None

    if eventually(open_or_failed) == "failed":
        return f"{name}.gate"
    with suppress(AssertionError):
        world.answer(PIPELINE, run, f"{name}.gate", "Approve")
    failed = eventually(
        lambda: [
            task
            for task in (f"{name}.gate", f"{name}.promote")
            if world.states(PIPELINE, run)[task] == "failed"
        ],
        120,
    )
    return failed[0]


def test_the_deferred_promotion_ends_once_and_nothing_ran_twice(world: World, run: str) -> None:
    """Guard: the Promotion in the register, with which a resumed task goes on."""
    world.barrier.open_switches.add("changes")
    world.wait_for_state(PIPELINE, run, "waits.verify", "success")
    counts = {name: promoted(world, name) for name in ("waits", "done", "fresh", "asks", "new")}
    assert set(counts.values()) == {1}, counts
    assert "[Errno" not in import_errors(world)
