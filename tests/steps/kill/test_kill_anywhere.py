"""A task that dies around an effect, whichever it is and whenever: Airflow's retry leaves it done once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

import pytest

from airfreight.model.promotion import PromotionPhase
from tests.promoting.between import Moment, Strike
from tests.promoting.site import Worker
from tests.steps.kill.effects import EFFECTS, RECEIVE, Effect
from tests.steps.kill.world import OWN_BRANCH, PROMOTION, REPOSITORY, World

AT_THE_EFFECT: dict[str, Moment] = {
    "before the server heard of it": "before",
    "in the middle of the request": "midway",
    "before the answer": "unanswered",
}
AT_THE_REGISTER: dict[str, Moment] = {
    "before it is written down": "before",
    "after it is written down": "unanswered",
}
ROWS = [
    (name, moment)
    for name, effect in EFFECTS.items()
    for moment in (*AT_THE_EFFECT, *(AT_THE_REGISTER if effect.at_the_register else ()))
]


def has_put_out(alias: str) -> Callable[[bytes], bool]:
    """Return what tells the write into the register that has the step's output."""
    return lambda body: alias in json.loads(body)["status"]["state"]


def kill(world: World, effect: Effect, moment: str) -> None:
    """Carry out a Promotion with this effect in a process that is killed then."""
    world.argocd.add()
    effect.given(world)
    world.begin(*effect.steps, argocd=effect.argocd, **effect.settings)
    if moment in AT_THE_EFFECT:
        when = AT_THE_EFFECT[moment]
        world.kill_at(effect.door, effect.method, effect.path, when, effect.holds)
    else:
        when, written = AT_THE_REGISTER[moment], has_put_out(effect.alias)
        world.kill_at("register", "PUT", f"/promotion/{PROMOTION}$", when, written)


@pytest.mark.parametrize(("name", "moment"), ROWS)
def test_a_promotion_that_was_killed_has_its_effect_once(
    world: World, name: str, moment: str
) -> None:
    effect = EFFECTS[name]
    kill(world, effect, moment)
    # How the last step ended is written down with the Promotion's end.
    assert moment == "after it is written down" or not world.record.status.phase.is_terminal
    if effect.is_last:
        was_done = moment not in ("before the server heard of it", "in the middle of the request")
        assert (effect.counted(world) == effect.expected) == was_done
    ended = world.go_on(world.argocd.finish)
    assert ended.status.phase is PromotionPhase.SUCCEEDED, ended.status
    assert effect.counted(world) == effect.expected
    assert "staging" not in world.run("for-each-ref")


def push_theirs(world: World) -> None:
    world.git.commit(REPOSITORY, {"theirs.yaml": "x\n"}, "Theirs")


def merge(world: World) -> None:
    world.hosting.merge(1)


@pytest.mark.parametrize(
    ("name", "happens"),
    [
        ("git-push, a branch of its own", push_theirs),
        ("git-tag", push_theirs),
        ("git-open-pr on github", push_theirs),
        ("git-open-pr on github", merge),
        ("git-open-pr on gitlab", merge),
    ],
)
def test_what_happens_before_the_retry_moves_no_head_and_no_tag(
    world: World, name: str, happens: Callable[[World], None]
) -> None:
    """Guards: `pushed_before`; `_made_before` of git-tag; `_existing` of git-open-pr, which takes a merged one, too."""
    kill(world, EFFECTS[name], "before it is written down")
    places = ("for-each-ref", f"refs/heads/{OWN_BRANCH}", "refs/tags")
    before = world.run(*places)
    happens(world)
    ended = world.go_on()
    assert ended.status.phase is PromotionPhase.SUCCEEDED, ended.status
    assert world.run(*places) == before
    opened = [ended.status.state["open"]["pr"]["id"]] if "open-pr" in name else []
    assert [one.number for one in world.hosting.requests] == opened


@pytest.mark.parametrize("name", [name for name, one in EFFECTS.items() if one.path == RECEIVE])
def test_a_git_that_outlives_its_task_changes_nothing_after_the_retry(
    world: World, name: str
) -> None:
    """SIGKILL ends a task's process and not what it started; Guard: the same dates make the same SHA."""
    effect = EFFECTS[name]
    worker: Future[Worker] = Future()
    dead, retried = threading.Event(), threading.Event()

    def outlive() -> None:
        worker.result(60).kill(alone=True)
        dead.set()
        retried.wait(120)

    world.begin(*effect.steps, **effect.settings)
    door = world.doors["git"]
    door.strike = Strike(effect.method, effect.path, "late", outlive, effect.holds)
    worker.set_result(world.nursery.start(world.task))
    assert dead.wait(60)
    ended = world.go_on()
    retried.set()
    assert door.struck.wait(60)
    assert ended.status.phase is PromotionPhase.SUCCEEDED, ended.status
    assert effect.counted(world) == effect.expected


@pytest.mark.parametrize("moment", AT_THE_EFFECT)
def test_a_request_of_the_step_http_comes_at_least_once_with_the_key_of_the_promotion(
    world: World, moment: str
) -> None:
    """The one step that cannot know what an earlier try did: its page says so, and what to send along."""
    keys: list[str] = []

    def api(method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        keys.append(headers["Idempotency-Key"])
        return 200, None

    world.git.api = api
    key = {"name": "Idempotency-Key", "value": "${{ ctx.promotion }}"}
    url = f"{world.doors['git'].url}/api/orders"
    config = {"url": url, "method": "POST", "body": "one", "headers": [key]}
    world.begin({"uses": "http", "config": config})
    world.kill_at("git", "POST", "/api/orders$", AT_THE_EFFECT[moment])
    assert world.go_on().status.phase is PromotionPhase.SUCCEEDED
    assert keys == [PROMOTION] * (2 if moment == "before the answer" else 1)


def test_a_cleared_promotion_opens_a_request_of_its_own(world: World) -> None:
    """A clear makes a new Promotion, whose branch has another name; guard: the branch of `generateTargetBranch`."""
    steps = EFFECTS["git-open-pr on github"].steps
    world.begin(*steps)
    world.go_on()
    merge(world)
    world.git.commit(REPOSITORY, {"prod.yaml": "tag: old\n"}, "Roll back")
    world.begin(*steps, name="prod.01hy.abcdef0")
    ended = world.go_on()
    assert ended.status.state["open"]["pr"]["id"] == 2
    assert [(one.number, one.state) for one in world.hosting.requests] == [
        (1, "merged"),
        (2, "open"),
    ]
