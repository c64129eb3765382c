"""A promotion that waits for a pull request goes on with its files on another machine."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from airfreight.model.promotion import PromotionPhase
from tests.steps.kill.effects import EFFECTS
from tests.steps.kill.world import REPOSITORY, World

WAIT = {
    "uses": "git-wait-for-pr",
    "config": {
        "repoURL": "${{ vars.repo }}",
        "provider": "github",
        "prNumber": "${{ outputs.open.pr.id }}",
    },
}
MARK = {"uses": "file-write", "config": {"path": "out/released", "contents": "yes"}}
COMMIT = {"uses": "git-commit", "config": {"path": "out", "message": "Mark"}}
PUSH = {
    "uses": "git-push",
    "alias": "mark",
    "config": {"path": "out", "targetBranch": "released"},
}


def test_a_promotion_that_waited_commits_and_pushes_on_another_machine(world: World) -> None:
    """Guards: `save` and `restore` of the work directory, and the relative links that git-clone sets."""
    world.begin(*EFFECTS["git-open-pr on github"].steps, WAIT, MARK, COMMIT, PUSH)
    world.nursery.start(world.task).wait()
    assert world.record.status.retry_after is not None
    world.hosting.merge(1)
    asked = len(world.hosting.asked)
    shutil.rmtree(world.task.workspace)
    world.task = replace(world.task, workspace=str(world.folder / "elsewhere/deeper"))
    world.nursery.start(world.task).wait()
    ended = world.record.status
    assert ended.phase is PromotionPhase.SUCCEEDED, ended
    # Gone on from where it waited: nothing was opened or asked again.
    assert not [line for line in world.hosting.asked[asked:] if line.startswith("POST")]
    messages = world.run("log", "--format=%s", "released").splitlines()
    assert messages == ["Mark", "Promote", "First"]
    assert world.git.read(REPOSITORY, "released", "prod.yaml") == "tag: new"
    assert list(Path(world.task.kept).iterdir()) == []
