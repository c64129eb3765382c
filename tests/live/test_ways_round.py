"""Ways round a gate, as somebody may try who can do all that Airflow's UI and REST API allow. Nothing is promoted."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.live.manifests import auto, marks, project, stage, warehouse
from tests.live.world import World, eventually, run_id_of

PROJECT = "round"
PIPELINE = f"{PROJECT}.pipeline.app"
WAREHOUSE = f"{PROJECT}.warehouse.app"
ASKING = ("marked", "forged", "posted", "passed", "skipped", "regated", "repeated")
FOLLOWING = {"after-passed": "passed", "after-skipped": "skipped"}


@pytest.fixture(scope="module")
def run(world: World) -> str:
    """Return a run in which seven Stages ask a person, and two more would follow by themselves."""
    manifests = project(PROJECT, auto(*FOLLOWING)) + warehouse("app", "round/app")
    for name in ASKING:
        keep = 'airfreight/keep-requests: "true"'
        manifests += stage(name, ["app"], "direct: true", marks(f"round-{name}"), keep)
    for name, upstream in FOLLOWING.items():
        manifests += stage(name, ["app"], f"stages: [{upstream}]", marks(f"round-{name}"))
    world.registry.push_image("round/app", "1.0.0", created=datetime.now(UTC))
    world.add_project(PROJECT, manifests)
    world.unpause(PIPELINE)
    world.unpause(WAREHOUSE)
    run_id = run_id_of(world.wait_for_freight(PROJECT, 1))
    for name in ASKING:
        world.wait_for_state(PIPELINE, run_id, f"{name}.gate", "awaiting_input")
    return run_id


def promoted(world: World, name: str) -> int:
    """Return how often the Stage's steps ran; the register must tell the same."""
    alias = world.freight(PROJECT)[0]["alias"]
    count = world.barrier.names("round-").count(f"round-{name}-{alias}")
    register = world.register(f"airfreight://{PROJECT}/stages/{name}/register")
    assert len(register.get("promotions", [])) == count
    return count


def wait_for_refusal(world: World, run: str, task: str, text: str, attempt: int = 1) -> None:
    world.wait_for_state(PIPELINE, run, task, "failed")
    assert text in world.log(PIPELINE, run, task, attempt)


def test_a_gate_marked_success_promotes_nothing(world: World, run: str) -> None:
    """Guard: `read_decision` in `PromoteOperator._begin`."""
    world.mark(PIPELINE, run, "marked.gate")
    wait_for_refusal(world, run, "marked.promote", "the gate of marked made no decision")
    assert promoted(world, "marked") == 0


def test_a_decision_written_as_xcom_promotes_nothing(world: World, run: str) -> None:
    """Guard: `read_decision`, which asks for the gate's asset event and for no XCom."""
    decision = {"decision": "approved", "actor": "admin", "freight": world.freight(PROJECT)[0]}
    world.write_xcom(PIPELINE, run, "forged.gate", decision)
    world.mark(PIPELINE, run, "forged.gate")
    wait_for_refusal(world, run, "forged.promote", "the gate of forged made no decision")
    assert promoted(world, "forged") == 0


def test_a_posted_asset_event_is_no_decision(world: World, run: str) -> None:
    """Guard: the look at the event's source in `hooks.decisions`."""
    extra = {
        "decision": "approved",
        "stage": "posted",
        "freight": world.freight(PROJECT)[0]["name"],
        "actor": "admin",
        "nonce": "1",
        "digest": "any",
        "decidedAt": datetime.now(UTC).isoformat(),
    }
    body = {
        "asset_id": world.asset_id(f"airfreight://{PROJECT}/stages/posted/register"),
        "extra": extra,
    }
    world.rest.post("/api/v2/assets/events", json=body).raise_for_status()
    world.mark(PIPELINE, run, "posted.gate")
    wait_for_refusal(world, run, "posted.promote", "the gate of posted made no decision")
    assert promoted(world, "posted") == 0


@pytest.mark.parametrize(
    ("name", "tasks"),
    [
        pytest.param("passed", ("gate", "promote"), id="promote marked success"),
        pytest.param("skipped", ("gate", "promote", "verify"), id="verify marked success"),
    ],
)
def test_what_follows_a_stage_that_was_marked_success_is_not_promoted(
    world: World, run: str, name: str, tasks: tuple[str, ...]
) -> None:
    """Guard: `available` asks the register, not the upstream's tasks."""
    world.mark(PIPELINE, run, *(f"{name}.{task}" for task in reversed(tasks)))
    world.wait_for_state(PIPELINE, run, f"after-{name}.gate", "skipped")
    assert promoted(world, name) == promoted(world, f"after-{name}") == 0
    assert f"not verified in {name}" in world.log(PIPELINE, run, f"after-{name}.gate")


def test_a_cleared_gate_promotes_nothing_again(world: World, run: str) -> None:
    """Guard: the gate's look at what the Stage holds, then `is_spent`, for the decision was carried out."""
    assert world.answer(PIPELINE, run, "regated.gate", "Approve").status_code == 200
    world.wait_for_state(PIPELINE, run, "regated.verify", "success")
    world.clear(PIPELINE, run, "regated.gate", downstream=True)
    world.wait_for_state(PIPELINE, run, "regated.gate", "skipped")
    assert "regated holds it already" in world.log(PIPELINE, run, "regated.gate", 2)
    world.mark(PIPELINE, run, "regated.gate")
    world.clear(PIPELINE, run, "regated.promote")
    wait_for_refusal(world, run, "regated.promote", "carried out before", attempt=2)
    assert promoted(world, "regated") == 1


def test_a_cleared_promotion_is_not_repeated(world: World, run: str) -> None:
    """Guard: `is_spent` in `PromoteOperator._begin`."""
    assert world.answer(PIPELINE, run, "repeated.gate", "Approve").status_code == 200
    world.wait_for_state(PIPELINE, run, "repeated.verify", "success")
    world.clear(PIPELINE, run, "repeated.promote")
    wait_for_refusal(world, run, "repeated.promote", "carried out before", attempt=2)
    assert promoted(world, "repeated") == 1


@pytest.fixture(scope="module")
def second(world: World, run: str) -> str:
    """Return the run of a second Freight, in which the same Stages ask."""
    world.registry.push_image("round/app", "1.0.1", created=datetime.now(UTC))
    return run_id_of(world.wait_for_freight(PROJECT, 2))


def test_an_approval_after_the_run_s_freight_was_exchanged_is_refused(
    world: World, second: str
) -> None:
    """Guard: `freight_of_run` compares the XCom with the run's conf."""
    world.wait_for_state(PIPELINE, second, "marked.gate", "awaiting_input")
    older = world.freight(PROJECT)[0]
    world.write_xcom(PIPELINE, second, "freight", {"name": older["name"]})
    world.answer(PIPELINE, second, "marked.gate", "Approve")
    wait_for_refusal(world, second, "marked.gate", "the XCom of task freight was changed")
    assert promoted(world, "marked") == 0


def test_a_changed_xcom_of_the_sensor_makes_no_run(world: World, second: str) -> None:
    """Guard: `TriggerPipelineOperator` looks the Freight up in the register."""
    sensor = next(
        found["dag_run_id"]
        for found in reversed(world.runs(WAREHOUSE))
        if world.states(WAREHOUSE, found["dag_run_id"]).get("trigger") == "success"
    )
    forged = {
        "name": "f" * 40,
        "alias": "evil-otter",
        "origin": {"kind": "Warehouse", "name": "app"},
        "discoveredAt": datetime.now(UTC).isoformat(),
        "images": [{"repoURL": "evil.example/app", "tag": "6.6.6"}],
    }
    before = len(world.runs(PIPELINE))
    world.write_xcom(WAREHOUSE, sensor, "discover", forged)
    world.clear(WAREHOUSE, sensor, "trigger")

    def refused() -> bool:
        return any(
            "returned no Freight of the register"
            in world.log(WAREHOUSE, sensor, "trigger", attempt)
            for attempt in (2, 3)
        )

    eventually(refused)
    assert len(world.runs(PIPELINE)) == before
    assert len(world.freight(PROJECT)) == 2
