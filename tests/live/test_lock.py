"""One promotion at a time in a Stage, in the order of the decisions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from tests.live.manifests import project, stage, warehouse
from tests.live.world import World, run_id_of

PROJECT = "lock"
PIPELINE = f"{PROJECT}.pipeline.all"
COUNT = 10

# Marks its beginning, is killed once where the Freight is 1.0.1, waits for a switch where it is 1.0.0, marks its end.
TEMPLATE = """\
      steps:
      - uses: http
        config: {url: "@BARRIER@/mark/lock-enter-${{ ctx.targetFreight.origin.name }}"}
      - uses: http
        if: ${{ ctx.targetFreight.origin.name == 'w1' }}
        config: {url: "@BARRIER@/kill/lock"}
      - uses: http
        if: ${{ ctx.targetFreight.origin.name == 'w0' }}
        config:
          url: "@BARRIER@/switch/lock"
          successExpression: response.body.open
          pollInterval: 10s
      - uses: http
        config: {url: "@BARRIER@/mark/lock-leave-${{ ctx.targetFreight.origin.name }}"}"""


def test_promotions_of_one_stage_never_overlap_and_keep_the_order_of_their_decisions(
    world: World,
) -> None:
    names = [f"w{i}" for i in range(COUNT)]
    for position in range(COUNT):
        world.registry.push_image("lock/app", f"1.0.{position}", created=datetime.now(UTC))
    annotate = 'airfreight/keep-requests: "true"'
    manifests = project(PROJECT) + "".join(
        warehouse(name, "lock/app", f"1.0.{i}").replace(
            f"{{name: {name}}}", f"{{name: {name}, annotations: {{airfreight/pipeline: all}}}}"
        )
        for i, name in enumerate(names)
    )
    manifests += stage("only", names, "direct: true", TEMPLATE, annotate)
    world.add_project(PROJECT, manifests)
    world.unpause(PIPELINE)
    for name in names:
        world.unpause(f"{PROJECT}.warehouse.{name}")
    world.wait_for_freight(PROJECT, COUNT, 180)

    register = {name: world.register(f"airfreight://{PROJECT}/warehouses/{name}") for name in names}
    runs = {name: run_id_of(keys["index"][0]) for name, keys in register.items()}
    # Three one after the other, then the rest at once.
    for name in names[:3]:
        assert world.answer(PIPELINE, runs[name], "only.gate", "Approve").status_code == 200
        world.wait_for_state(PIPELINE, runs[name], "only.gate", "success")
    for name in names[3:]:
        world.wait_for_state(PIPELINE, runs[name], "only.gate", "awaiting_input")
    with ThreadPoolExecutor(7) as pool:
        answers = pool.map(
            lambda name: world.answer(PIPELINE, runs[name], "only.gate", "Approve"), names[3:]
        )
    assert {answer.status_code for answer in answers} == {200}
    world.wait_for_state(PIPELINE, runs["w0"], "only.promote", "deferred")
    assert world.barrier.names("lock-") == ["lock-enter-w0"]
    world.barrier.open_switches.add("lock")
    assert {world.wait_for_run(PIPELINE, run, 300) for run in runs.values()} == {"success"}

    marks = world.barrier.names("lock-")
    # The killed one enters twice: its first try ended before it left.
    assert marks[:5] == [
        "lock-enter-w0",
        "lock-leave-w0",
        "lock-enter-w1",
        "lock-enter-w1",
        "lock-leave-w1",
    ]
    rest = marks[5:]
    assert [mark.split("-")[1] for mark in rest] == ["enter", "leave"] * (COUNT - 2)
    assert all(rest[i].split("-")[2] == rest[i + 1].split("-")[2] for i in range(0, len(rest), 2))
    assert rest[0] == "lock-enter-w2"
    events = world.get(
        "/assets/events", source_dag_id=PIPELINE, source_task_id="only.gate", limit=100
    )["asset_events"]
    at = {event["source_run_id"]: event["timestamp"] for event in events}
    decided = {name: at[run] for name, run in runs.items()}
    entered = [mark.split("-")[2] for mark in rest[::2]]
    assert entered == sorted(entered, key=lambda name: decided[name])
