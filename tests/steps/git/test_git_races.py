"""Promotions of different Stages push to one branch at the same time, each from a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from airfreight.model.promotion import PromotionPhase
from airfreight.runtime.records import PromotionRecord
from tests.git_http import GitHttpServer, git
from tests.promoting.site import Nursery, serving_register
from tests.promoting.task import TOKEN, Task
from tests.serving import QuietHandler, running
from tests.steps.pull_requests.hosting_server import HostingServer

GERMAN = {"LC_ALL": "C.UTF-8", "LANGUAGE": "de"}


@contextmanager
def meeting(size: int) -> Iterator[str]:
    """Serve an address that answers when so many have asked: they all go on at the same time."""
    barrier = threading.Barrier(size, timeout=120)

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            barrier.wait()
            self.send_response(200)
            self.end_headers()

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
        yield url


def steps_for(path: str, value: str, repo: str, met: str) -> list[dict[str, Any]]:
    """Return the steps of a Stage that sets the tag in `path`; it pushes when all have committed."""
    checkout = [{"path": "out", "branch": "main"}]
    updates = [{"key": "tag", "value": value}]
    return [
        {"uses": "git-clone", "config": {"repoURL": repo, "checkout": checkout}},
        {"uses": "yaml-update", "config": {"path": f"out/{path}", "updates": updates}},
        {"uses": "git-commit", "config": {"path": "out", "message": f"Set {value}"}},
        {"uses": "http", "config": {"url": met, "timeout": "2m"}},
        {"uses": "git-push", "alias": "push", "config": {"path": "out"}},
    ]


def promote_at_once(
    nursery: Nursery, folder: Path, promotions: list[list[dict[str, Any]]], **settings: Any
) -> list[PromotionRecord]:
    """Carry out each of these lists of steps in a process of its own, all at the same time."""
    with ExitStack() as stack:
        registers = [stack.enter_context(serving_register()) for _ in promotions]
        workers = []
        for number, (register, steps) in enumerate(zip(registers, promotions, strict=True)):
            register.begin(f"s{number}.01hx.abcdef0", *steps, variables={})
            task = Task(
                register=register.url,
                promotion=f"s{number}.01hx.abcdef0",
                workspace=str(folder / f"work{number}"),
                kept=str(folder / "kept"),
                settings=settings,
            )
            workers.append(nursery.start(task))
        for worker in workers:
            worker.wait()
        return [register.record(f"s{n}.01hx.abcdef0") for n, register in enumerate(registers)]


def is_rewritten(server: GitHttpServer) -> bool:
    """Say whether anybody moved the branch to where its earlier tip is not below; the server keeps a log of it."""
    place = server.path("app")
    moves = (place / "logs/refs/heads/main").read_text().splitlines()
    pairs = [line.split()[:2] for line in moves if not line.startswith("0" * 40)]
    below = [git("merge-base", old, new, cwd=place) == old for old, new in pairs]
    return not all(below)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery(GERMAN) as started:
        yield started


@pytest.fixture
def busy(server: GitHttpServer) -> Callable[[Mapping[str, str]], GitHttpServer]:
    """Make the repository on a server that speaks German and logs where its branches move."""

    def make(files: Mapping[str, str]) -> GitHttpServer:
        server.variables = GERMAN
        server.create("app", dict(files))
        git("config", "core.logAllRefUpdates", "true", cwd=server.path("app"))
        return server

    return make


@pytest.mark.parametrize(
    ("policy", "size", "is_linear"),
    [("AlwaysRebase", 10, True), ("RebaseOrMerge", 4, True), ("AlwaysMerge", 4, False)],
)
def test_stages_that_push_to_one_branch_at_once_all_arrive(
    busy: Any, nursery: Nursery, tmp_path: Path, policy: str, size: int, is_linear: bool
) -> None:
    """Guard: `git-push` decides by looking at the branch again; no message is read, in whatever language."""
    paths = [f"stages/s{number}.yaml" for number in range(size)]
    server = busy(dict.fromkeys(paths, "tag: old\n"))
    with meeting(size) as met:
        promotions = [
            steps_for(path, f"v{number}", server.url("app"), met)
            for number, path in enumerate(paths)
        ]
        records = promote_at_once(nursery, tmp_path, promotions, git_push_integration_policy=policy)
    assert [record.status.message for record in records] == [""] * size
    for number, path in enumerate(paths):
        assert server.read("app", "main", path) == f"tag: v{number}"
    messages = [message for _, message in server.log("app")]
    assert sorted(one for one in messages if one.startswith("Set")) == [
        f"Set v{number}" for number in range(size)
    ]
    merges = git("rev-list", "--merges", "--count", "main", cwd=server.path("app"))
    assert (merges == "0") == is_linear
    assert not is_rewritten(server)


def test_of_stages_that_change_the_same_line_one_arrives_and_the_others_fail(
    busy: Any, nursery: Nursery, tmp_path: Path
) -> None:
    """Nobody's steps are run again on what another wrote: their author has not seen it."""
    server = busy({"prod.yaml": "tag: old\n"})
    with meeting(4) as met:
        promotions = [
            steps_for("prod.yaml", f"v{number}", server.url("app"), met) for number in range(4)
        ]
        records = promote_at_once(nursery, tmp_path, promotions)
    arrived = [one for one in records if one.status.phase is PromotionPhase.SUCCEEDED]
    failed = [one for one in records if one.status.phase is PromotionPhase.FAILED]
    assert (len(arrived), len(failed)) == (1, 3)
    for one in failed:
        assert "conflict with what others pushed to branch 'main', in prod.yaml" in (
            one.status.message
        )
        assert [step.error_count for step in one.status.executions] == [0, 0, 0, 0, 1]
    assert [sha for sha, _ in server.log("app")][:-1] == [arrived[0].status.state["push"]["commit"]]


@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_promotions_that_open_the_same_pull_request_at_once_share_one(
    nursery: Nursery, server: GitHttpServer, tmp_path: Path, provider: str
) -> None:
    """Guard: `_create` in git-open-pr takes the one that the service says exists already."""
    server.create("shop/app", {"a.txt": "one\n"})
    server.commit("shop/app", {"a.txt": "two\n"}, "Two", branch="stage/dev")
    hosting = HostingServer(server, "shop/app", TOKEN)
    all_have_looked = threading.Barrier(3, timeout=60)

    def wait(line: str) -> None:
        all_have_looked.wait()

    hosting.before_write = wait
    server.api = hosting.answer
    opening = {
        "repoURL": server.url("shop/app"),
        "provider": provider,
        "sourceBranch": "stage/dev",
        "targetBranch": "main",
    }
    step = {"uses": "git-open-pr", "alias": "open", "config": opening}
    records = promote_at_once(nursery, tmp_path, [[step]] * 3)
    assert [record.status.state["open"]["pr"]["id"] for record in records] == [1, 1, 1]
    assert len(hosting.requests) == 1
