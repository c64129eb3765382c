"""A worker that is lost, and one that only looks so: another takes over, and only that one does anything."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from tests.live.manifests import OVERLAY, auto, project, stage, warehouse
from tests.live.world import World, eventually, run_id_of

PROJECT = "taken"
PIPELINE = f"{PROJECT}.pipeline.app"
STAGES = ("lost", "stopped")

# Loses its worker between the commit and the push; `after` is told to the barrier by whoever gets that far.
TEMPLATE = """\
      steps:
      - uses: git-clone
        config: {repoURL: "@GIT@taken.git", checkout: [{branch: main, path: ./repo}]}
      - uses: yaml-update
        config:
          path: ./repo/overlays/@STAGE@/image.yaml
          updates: [{key: spec.image.tag, value: "${{ quote(imageFrom('@REGISTRY@/taken/app').Tag) }}"}]
      - {uses: git-commit, config: {path: ./repo, message: "promote to @STAGE@"}}
      - {uses: http, config: {url: "@BARRIER@/@TROUBLE@/taken-@STAGE@"}}
      - {uses: git-push, config: {path: ./repo}}
      - {uses: http, config: {url: "@BARRIER@/mark/taken-@STAGE@"}}"""


@pytest.fixture(scope="module")
def run(world: World) -> str:
    """Return the run in which one Stage loses its worker for good and the other until it was replaced."""
    world.git.create("taken", {f"overlays/{name}/image.yaml": OVERLAY for name in STAGES})
    world.registry.push_image("taken/app", "1.0.0", created=datetime.now(UTC))
    manifests = project(PROJECT, auto(*STAGES)) + warehouse("app", "taken/app")
    for name, trouble in zip(STAGES, ("lose", "stop"), strict=True):
        template = TEMPLATE.replace("@STAGE@", name).replace("@TROUBLE@", trouble)
        manifests += stage(name, ["app"], "direct: true", template)
    world.add_project(PROJECT, manifests)
    world.unpause(PIPELINE)
    world.unpause(f"{PROJECT}.warehouse.app")
    run_id = run_id_of(world.wait_for_freight(PROJECT, 1))
    assert world.wait_for_run(PIPELINE, run_id) == "success"
    return run_id


def commits(world: World, name: str) -> list[str]:
    return [sha for sha, message in world.git.log("taken") if message == f"promote to {name}"]


def promotions(world: World, name: str) -> list[tuple[str, str]]:
    register = world.register(f"airfreight://{PROJECT}/stages/{name}/register")
    return [
        (row["phase"], register[f"promotion/{row['name']}"]["status"]["phase"])
        for row in register["promotions"]
    ]


def tries(world: World, run: str, name: str) -> int:
    path = f"/dags/{PIPELINE}/dagRuns/{run}/taskInstances/{name}.promote"
    return int(world.get(path)["try_number"])


def test_a_lost_worker_s_promotion_goes_on_elsewhere_with_one_commit(
    world: World, run: str
) -> None:
    """Guard: `PromoteOperator._begun`, which goes on with the Promotion that the lost worker began."""
    assert "taken-lost" in world.barrier.killed
    assert len(commits(world, "lost")) == 1
    assert promotions(world, "lost") == [("Succeeded", "Succeeded")]
    assert world.barrier.names("taken-lost") == ["taken-lost"]
    assert tries(world, run, "lost") == 2


def test_a_worker_that_only_looked_dead_does_nothing_when_it_goes_on(
    world: World, run: str
) -> None:
    """Guard: `Fence.check` before and after each step; without it the stopped process tells the barrier too."""
    assert tries(world, run, "stopped") == 2
    assert world.barrier.names("taken-stopped") == ["taken-stopped"]
    before = world.git.log("taken")
    world.barrier.resume("taken-stopped")
    eventually(
        lambda: "taken for dead" in world.log(PIPELINE, run, "stopped.promote", 1),
        explain=lambda: world.log(PIPELINE, run, "stopped.promote", 1),
    )
    time.sleep(3)
    assert world.barrier.names("taken-stopped") == ["taken-stopped"]
    assert world.git.log("taken") == before
    assert len(commits(world, "stopped")) == 1
    assert promotions(world, "stopped") == [("Succeeded", "Succeeded")]
    assert world.run_state(PIPELINE, run) == "success"
