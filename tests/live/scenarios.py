"""Scenarios that are played twice: on one scheduler and triggerer, and on two of each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from airfreight.model.freight import Freight, FreightContent, FreightOrigin, ImageArtifact
from airfreight.runtime.warehouse_register import WarehouseRegister
from tests.live.manifests import OVERLAY, guestbook, project, stage, warehouse
from tests.live.world import RegisterStore, World, eventually, run_id_of

# Marks its beginning, waits for a switch where the Freight is 1.0.0, is killed once where it is 1.0.1, marks its end.
TEMPLATE = """\
      vars: [{name: tag, value: "${{ imageFrom('@REGISTRY@/@NAME@/app').Tag }}"}]
      steps:
      - uses: http
        config: {url: "@BARRIER@/mark/@NAME@-enter-${{ vars.tag }}"}
      - uses: http
        if: ${{ vars.tag == '1.0.1' }}
        config: {url: "@BARRIER@/kill/@NAME@"}
      - uses: http
        if: ${{ vars.tag == '1.0.0' }}
        config:
          url: "@BARRIER@/switch/@NAME@"
          successExpression: response.body.open
          pollInterval: 10s
      - uses: http
        config: {url: "@BARRIER@/mark/@NAME@-leave-${{ vars.tag }}"}"""


def promote_one_at_a_time(world: World, name: str, count: int) -> None:
    """`count` Freight are approved for one Stage: promotions never overlap and keep the order of their decisions.

    The first defers in the middle, the second is killed and waits for its retry; from the fourth on all are approved
    at once.
    """
    pipeline, marked = f"{name}.pipeline.app", f"{name}-"
    annotate = 'airfreight/keep-requests: "true"'
    manifests = project(name) + warehouse("app", f"{name}/app")
    manifests += stage("only", ["app"], "direct: true", TEMPLATE.replace("@NAME@", name), annotate)
    world.registry.push_image(f"{name}/app", "0.0.1", created=datetime.now(UTC))
    world.add_project(name, manifests)
    world.unpause(pipeline)
    # Its first run finds nothing that it may take; it ties the Stage's register.
    world.unpause(f"{name}.warehouse.app")
    eventually(lambda: "success" in {r["state"] for r in world.runs(f"{name}.warehouse.app")})
    runs = {
        f"1.0.{number}": world.trigger(pipeline, {"freight": freight.name})
        for number, freight in enumerate(register_images(world, name, count))
    }
    tags = list(runs)

    # Three one after the other, then the rest at once.
    for tag in tags[:3]:
        assert world.answer(pipeline, runs[tag], "only.gate", "Approve").status_code == 200
        world.wait_for_state(pipeline, runs[tag], "only.gate", "success")
    for tag in tags[3:]:
        world.wait_for_state(pipeline, runs[tag], "only.gate", "awaiting_input")
    with ThreadPoolExecutor(count) as pool:
        answers = pool.map(
            lambda tag: world.answer(pipeline, runs[tag], "only.gate", "Approve"), tags[3:]
        )
    assert {answer.status_code for answer in answers} == {200}
    world.wait_for_state(pipeline, runs["1.0.0"], "only.promote", "deferred")
    assert [mark.removeprefix(marked) for mark in world.barrier.names(marked)] == ["enter-1.0.0"]
    world.barrier.open_switches.add(name)
    assert {world.wait_for_run(pipeline, run) for run in runs.values()} == {"success"}

    marks = [mark.removeprefix(marked) for mark in world.barrier.names(marked)]
    # The killed one enters twice: its first try ended before it left.
    killed = ["enter-1.0.1", "enter-1.0.1", "leave-1.0.1"]
    assert marks[:5] == ["enter-1.0.0", "leave-1.0.0", *killed]
    entered = [mark.removeprefix("enter-") for mark in marks[5::2]]
    assert marks[5:] == [f"{what}-{tag}" for tag in entered for what in ("enter", "leave")]
    assert entered[0] == "1.0.2"
    events = world.get(
        "/assets/events", source_dag_id=pipeline, source_task_id="only.gate", limit=100
    )["asset_events"]
    at = {event["source_run_id"]: event["timestamp"] for event in events}
    assert entered == sorted(tags[2:], key=lambda tag: at[runs[tag]])


def register_images(world: World, name: str, count: int) -> list[Freight]:
    """Register Freight of earlier days, 1.0.0 and so on, as a backfill of the project's Warehouse would have."""
    repository = f"{world.registry.host}/{name}/app"
    register = WarehouseRegister(RegisterStore(world, f"airfreight://{name}/warehouses/app"))
    made = []
    for number in range(count):
        image = ImageArtifact(
            repoURL=repository, tag=f"1.0.{number}", digest=f"sha256:{number:064}"
        )
        content = FreightContent(origin=FreightOrigin(name="app"), images=(image,))
        found = datetime.now(UTC) - timedelta(hours=count - number)
        made.append(register.register(content, found)[0])
    return made


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
