"""Scenarios that are played twice: on one scheduler and triggerer, and on two of each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from tests.live.manifests import OVERLAY, guestbook, project, stage, warehouse
from tests.live.world import World, run_id_of

# Marks its beginning, is killed once where the Freight is 1.0.1, waits for a switch where it is 1.0.0, marks its end.
TEMPLATE = """\
      steps:
      - uses: http
        config: {url: "@BARRIER@/mark/@NAME@-enter-${{ ctx.targetFreight.origin.name }}"}
      - uses: http
        if: ${{ ctx.targetFreight.origin.name == 'w1' }}
        config: {url: "@BARRIER@/kill/@NAME@"}
      - uses: http
        if: ${{ ctx.targetFreight.origin.name == 'w0' }}
        config:
          url: "@BARRIER@/switch/@NAME@"
          successExpression: response.body.open
          pollInterval: 10s
      - uses: http
        config: {url: "@BARRIER@/mark/@NAME@-leave-${{ ctx.targetFreight.origin.name }}"}"""


def promote_one_at_a_time(world: World, project_name: str, count: int) -> None:
    """`count` Freight are approved for one Stage: promotions never overlap and keep the order of their decisions.

    The first defers in the middle, the second is killed and waits for its retry; from the fourth on all are approved
    at once.
    """
    pipeline, marked = f"{project_name}.pipeline.all", f"{project_name}-"
    names = [f"w{i}" for i in range(count)]
    for position in range(count):
        world.registry.push_image(
            f"{project_name}/app", f"1.0.{position}", created=datetime.now(UTC)
        )
    annotate = 'airfreight/keep-requests: "true"'
    manifests = project(project_name) + "".join(
        warehouse(name, f"{project_name}/app", f"1.0.{i}").replace(
            f"{{name: {name}}}", f"{{name: {name}, annotations: {{airfreight/pipeline: all}}}}"
        )
        for i, name in enumerate(names)
    )
    manifests += stage(
        "only", names, "direct: true", TEMPLATE.replace("@NAME@", project_name), annotate
    )
    world.add_project(project_name, manifests)
    world.unpause(pipeline)
    for name in names:
        world.unpause(f"{project_name}.warehouse.{name}")
    world.wait_for_freight(project_name, count)

    register = {
        name: world.register(f"airfreight://{project_name}/warehouses/{name}") for name in names
    }
    runs = {name: run_id_of(keys["index"][0]) for name, keys in register.items()}
    # Three one after the other, then the rest at once.
    for name in names[:3]:
        assert world.answer(pipeline, runs[name], "only.gate", "Approve").status_code == 200
        world.wait_for_state(pipeline, runs[name], "only.gate", "success")
    for name in names[3:]:
        world.wait_for_state(pipeline, runs[name], "only.gate", "awaiting_input")
    with ThreadPoolExecutor(count) as pool:
        answers = pool.map(
            lambda name: world.answer(pipeline, runs[name], "only.gate", "Approve"), names[3:]
        )
    assert {answer.status_code for answer in answers} == {200}
    world.wait_for_state(pipeline, runs["w0"], "only.promote", "deferred")
    assert [mark.removeprefix(marked) for mark in world.barrier.names(marked)] == ["enter-w0"]
    world.barrier.open_switches.add(project_name)
    assert {world.wait_for_run(pipeline, run) for run in runs.values()} == {"success"}

    marks = [mark.removeprefix(marked) for mark in world.barrier.names(marked)]
    # The killed one enters twice: its first try ended before it left.
    assert marks[:5] == [
        "enter-w0",
        "leave-w0",
        "enter-w1",
        "enter-w1",
        "leave-w1",
    ]
    rest = marks[5:]
    assert [mark.split("-")[0] for mark in rest] == ["enter", "leave"] * (count - 2)
    assert all(rest[i].split("-")[1] == rest[i + 1].split("-")[1] for i in range(0, len(rest), 2))
    assert rest[0] == "enter-w2"
    events = world.get(
        "/assets/events", source_dag_id=pipeline, source_task_id="only.gate", limit=100
    )["asset_events"]
    at = {event["source_run_id"]: event["timestamp"] for event in events}
    decided = {name: at[run] for name, run in runs.items()}
    entered = [mark.split("-")[1] for mark in rest[::2]]
    assert entered == sorted(entered, key=lambda name: decided[name])


def add_guestbook(world: World, project_name: str) -> None:
    """Add the guestbook's project and GitOps repository; its images are those of ``<project>/guestbook``."""
    files = {f"overlays/{stage}/image.yaml": OVERLAY for stage in ("dev", "staging", "prod")}
    world.git.create(project_name, files)
    world.add_project(
        project_name, guestbook(project_name, f"{project_name}/guestbook", project_name)
    )


def travel_to_prod(world: World, project_name: str) -> None:
    """An image travels through dev and staging to prod, approved by a person: three commits, one run."""
    add_guestbook(world, project_name)
    pipeline = f"{project_name}.pipeline.guestbook"
    world.unpause(pipeline)
    world.unpause(f"{project_name}.warehouse.guestbook")
    world.registry.push_image(f"{project_name}/guestbook", "1.0.0", created=datetime.now(UTC))
    run = run_id_of(world.wait_for_freight(project_name, 1))
    assert world.answer(pipeline, run, "prod.gate", "Approve").status_code == 200
    assert world.wait_for_run(pipeline, run) == "success"
    messages = [message for _, message in world.git.log(project_name)]
    assert messages.count("Update image tag to 1.0.0") == 3
    assert len(world.runs(pipeline)) == 1


def discover_ten_times(world: World, project_name: str) -> None:
    """Ten runs of the guestbook's Warehouse find the same new Freight at once: one pipeline run."""
    warehouse_dag = f"{project_name}.warehouse.guestbook"
    known = len(world.freight(project_name))
    world.pause(warehouse_dag)
    repository = f"{project_name}/guestbook"
    world.registry.push_image(repository, "1.0.1", created=datetime.now(UTC))
    runs = [world.trigger(warehouse_dag) for _ in range(10)]
    world.unpause(warehouse_dag)
    assert {world.wait_for_run(warehouse_dag, run) for run in runs} == {"success"}
    freight = world.wait_for_freight(project_name, known + 1)
    made = [run["dag_run_id"] for run in world.runs(f"{project_name}.pipeline.guestbook")]
    assert len([run for run in made if run.startswith(run_id_of(freight))]) == 1
