"""Whatever dies on the way: one commit, and it arrives."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.live.manifests import OVERLAY, auto, project, stage, warehouse
from tests.live.world import World, run_id_of

PROJECT = "kill"
PIPELINE = f"{PROJECT}.pipeline.app"
STEPS = (
    "git-clone",
    "yaml-update",
    "git-commit",
    "git-push",
)
CONFIG = {
    "git-clone": '{repoURL: "@GIT@kill.git", checkout: [{branch: main, path: ./repo}]}',
    "yaml-update": (
        "{path: ./repo/overlays/@STAGE@/image.yaml, updates: [{key: spec.image.tag, "
        "value: \"${{ quote(imageFrom('@REGISTRY@/kill/app').Tag) }}\"}]}"
    ),
    "git-commit": '{path: ./repo, message: "promote to @STAGE@"}',
    "git-push": "{path: ./repo}",
}


def template(stage_name: str, killed_before: int) -> str:
    """Return the four steps with a SIGKILL of the task's process before step `killed_before` (4: after the last)."""
    lines = ["      steps:"]
    for position, uses in enumerate((*STEPS, "")):
        if position == killed_before:
            url = f"@BARRIER@/kill/{stage_name}"
            lines.append(f'      - {{uses: http, as: kill, config: {{url: "{url}"}}}}')
        if uses:
            config = CONFIG[uses].replace("@STAGE@", stage_name)
            lines.append(f"      - uses: {uses}\n        as: s{position}\n        config: {config}")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def run(world: World) -> str:
    """Return the run in which each of five Stages loses its process at another place."""
    stages = [f"s{i}" for i in range(len(STEPS) + 1)]
    world.git.create("kill", {f"overlays/{name}/image.yaml": OVERLAY for name in stages})
    world.registry.push_image("kill/app", "1.0.0", created=datetime.now(UTC))
    manifests = project(PROJECT, auto(*stages)) + warehouse("app", "kill/app")
    for position, name in enumerate(stages):
        manifests += stage(name, ["app"], "direct: true", template(name, position))
    world.add_project(PROJECT, manifests)
    world.unpause(PIPELINE)
    world.unpause(f"{PROJECT}.warehouse.app")
    run_id = run_id_of(world.wait_for_freight(PROJECT, 1))
    assert world.wait_for_run(PIPELINE, run_id) == "success"
    return run_id


@pytest.mark.parametrize("position", range(len(STEPS) + 1))
def test_a_task_killed_between_any_two_steps_leaves_one_commit(
    world: World, run: str, position: int
) -> None:
    name = f"s{position}"
    assert name in world.barrier.killed
    commits = [sha for sha, message in world.git.log("kill") if message == f"promote to {name}"]
    assert len(commits) == 1
    register = world.register(f"airfreight://{PROJECT}/stages/{name}/register")
    promotion = register[f"promotion/{register['promotions'][0]['name']}"]
    assert promotion["status"]["state"]["s3"]["commit"] in {sha for sha, _ in world.git.log("kill")}
    assert len(register["promotions"]) == 1
    assert "tag: 1.0.0" in world.git.read("kill", "main", f"overlays/{name}/image.yaml")
    tries = world.get(f"/dags/{PIPELINE}/dagRuns/{run}/taskInstances/{name}.promote")["try_number"]
    assert tries == 2
