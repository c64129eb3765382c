"""git-clone takes out of a Warehouse's mirror what that has: cheaper, and in nothing else another clone."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from airfreight.errors import RefusedError, TerminalStepError
from airfreight.model.credential import Credential
from airfreight.runtime.workspace import restore, save
from airfreight.sources.base import Access
from airfreight.steps.git_clone import GitCloneStep
from airfreight.steps.git_commit import GitCommitStep
from airfreight.steps.git_push import GitPushStep
from airfreight.steps.git_worktree import repair_worktrees
from airfreight.steps.workdir import WorkDirectory
from tests.git_damage import flip_bytes
from tests.git_http import GitHttpServer, git
from tests.sources.watched import SETTINGS, subscribe
from tests.steps.git.conftest import PASSWORD, Bench
from tests.steps.git.test_git_submodules import with_submodule

BenchMaker = Callable[[], Bench]
ROBOT = Credential("robot", PASSWORD)
SAME = 500  # bytes within which two packs of the same objects are
FILES = {f"part{number}/file.txt": f"{number}\n" for number in range(60)}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / 'c:a"che'


def watch(url: str, cache: Path, login: Credential | None = None) -> Path:
    """Look as a Warehouse does; return the mirror that this leaves or brings up to date."""
    access = Access(login, SETTINGS, cache)
    before = set(cache.glob("git/mirrors/*.git"))
    asyncio.run(subscribe(url).discover(access, limit=1, as_of=None))
    after = set(cache.glob("git/mirrors/*.git"))
    return next(iter(after - before or after))


@dataclass(frozen=True)
class History:
    """Repositories `app` and `lib` at two moments, and the commit of `app` that only the first has."""

    first: Path
    second: Path
    gone: str

    def begin(self, server: GitHttpServer) -> None:
        shutil.copytree(self.first, server.root, dirs_exist_ok=True)

    def go_on(self, server: GitHttpServer) -> None:
        shutil.rmtree(server.path("app"))
        shutil.copytree(self.second / "app.git", server.path("app"))


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Tags of a commit and of a file, a branch `gone` and a submodule; then a commit more and no such branch."""
    first, second = tmp_path_factory.mktemp("history") / "first", tmp_path_factory.mktemp("then")
    with GitHttpServer(first) as server:
        lib = server.create("lib", {"b.txt": "lib\n"})
        server.create("app", FILES)
        app = server.path("app")
        git("tag", "-a", "v1", "-m", "v1", "main", cwd=app)
        git("tag", "file", "main:part1/file.txt", cwd=app)
        git("tag", "-a", "noted", "-m", "a file", "main:part2/file.txt", cwd=app)
        gone = server.commit("app", {"gone.txt": "gone\n"}, "Gone", branch="gone")
        with_submodule(server, "app", "../lib.git", lib)
        shutil.copytree(app, second / "app.git")
    with GitHttpServer(second) as server:
        app = server.path("app")
        git("branch", "--quiet", "-D", "gone", cwd=app)
        server.commit("app", {"part1/file.txt": "new\n", "more/file.txt": "more\n"}, "More")
        git("gc", "--quiet", "--prune=now", cwd=app)
    return History(first, second, gone)


@pytest.fixture
def app(server: GitHttpServer, history: History) -> GitHttpServer:
    history.begin(server)
    return server


def with_mirror(bench: Bench, cache: Path) -> Bench:
    bench.settings = replace(bench.settings, cache=cache)
    return bench


def clone(bench: Bench, server: GitHttpServer, **config: Any) -> tuple[Any, int]:
    """Clone `app`, blobless where nothing else is said; return the output and the bytes that the server sent."""
    before = server.sent
    given = {"blobless": True, "checkout": [{"path": "src"}], **config}
    result = bench.run(GitCloneStep(), repoURL=server.url("app"), **given)
    return result.output, server.sent - before


def bare_of(bench: Bench) -> Path:
    (bare,) = (bench.root / ".airfreight").glob("*.git")
    return bare


def contents(root: Path) -> dict[str, bytes]:
    """Return the files below `root`, without Git's objects and what holds times: its index and log."""
    skipped = {"objects", "index", "logs"}
    return {
        str(place.relative_to(root)): place.read_bytes()
        for place in sorted(root.rglob("*"))
        if place.is_file() and not skipped & set(place.relative_to(root).parts)
    }


def objects(bench: Bench) -> list[str]:
    every = ("cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    return git("--git-dir=.", *every, cwd=bare_of(bench)).splitlines()


CHECKOUTS = [
    {"path": "old", "tag": "v1", "sparse": ["part1"]},
    {"path": "new", "branch": "main"},
    {"path": "out", "branch": "env/dev", "create": True},
]
KINDS: list[Any] = [
    pytest.param({}, id="blobless"),
    pytest.param({"checkout": CHECKOUTS}, id="several checkouts"),
    pytest.param(
        {"recurseSubmodules": True, "author": {"name": "A", "email": "a@b.c"}}, id="submodules"
    ),
]


@pytest.mark.parametrize("config", KINDS)
def test_a_clone_by_a_mirror_differs_in_nothing_but_what_the_server_sent(
    new_bench: BenchMaker, app: GitHttpServer, history: History, cache: Path, config: dict[str, Any]
) -> None:
    watch(app.url("app"), cache)
    history.go_on(app)
    plain, mirrored = new_bench(), with_mirror(new_bench(), cache)
    expected, all_bytes = clone(plain, app, **config)
    git("update-ref", "-d", "refs/heads/env/dev", cwd=app.path("app"))
    found, some_bytes = clone(mirrored, app, **config)
    assert found == expected
    assert contents(mirrored.root) == contents(plain.root)
    assert objects(mirrored) == objects(plain)
    git("--git-dir=.", "fsck", "--strict", cwd=bare_of(mirrored))
    assert some_bytes < all_bytes - 2000


def test_a_whole_clone_takes_from_a_mirror_that_holds_file_contents(
    new_bench: BenchMaker, app: GitHttpServer, history: History, cache: Path
) -> None:
    git("config", "uploadpack.allowFilter", "false", cwd=app.path("app"))
    watch(app.url("app"), cache)
    history.go_on(app)
    plain, mirrored = new_bench(), with_mirror(new_bench(), cache)
    expected, all_bytes = clone(plain, app, blobless=False)
    found, some_bytes = clone(mirrored, app, blobless=False)
    assert found == expected
    assert some_bytes < all_bytes - 2000
    assert contents(mirrored.root) == contents(plain.root)
    assert objects(mirrored) == objects(plain)


def test_a_whole_clone_takes_nothing_from_a_mirror_without_file_contents(
    new_bench: BenchMaker, app: GitHttpServer, cache: Path
) -> None:
    watch(app.url("app"), cache)
    plain, mirrored = new_bench(), with_mirror(new_bench(), cache)
    expected, all_bytes = clone(plain, app, blobless=False)
    found, some_bytes = clone(mirrored, app, blobless=False)
    assert found == expected
    assert some_bytes > all_bytes - SAME
    assert objects(mirrored) == objects(plain)


def test_a_mirror_that_lost_some_file_contents_makes_no_whole_clone_with_holes(
    new_bench: BenchMaker, app: GitHttpServer, cache: Path
) -> None:
    """Such as of a server that came to know filters, and forgot them again."""
    watch(app.url("app"), cache)
    git("config", "uploadpack.allowFilter", "false", cwd=app.path("app"))
    git("rm", "--quiet", "-r", "--cached", ".", cwd=checked_out(app, cache.parent / "work"))
    git("commit", "--quiet", "--allow-empty", "-m", "Empty", cwd=cache.parent / "work")
    git("push", "--quiet", "origin", "main", cwd=cache.parent / "work")
    watch(app.url("app"), cache)
    plain, mirrored = new_bench(), with_mirror(new_bench(), cache)
    clone(plain, app, blobless=False)
    clone(mirrored, app, blobless=False)
    assert objects(mirrored) == objects(plain)


def checked_out(server: GitHttpServer, place: Path) -> Path:
    git("clone", "--quiet", str(server.path("app")), str(place), cwd=server.root)
    return place


@pytest.mark.parametrize("filters", [True, False], ids=["blobless", "whole"])
def test_a_commit_that_only_the_mirror_has_is_not_there(
    bench: Bench, app: GitHttpServer, history: History, cache: Path, filters: bool
) -> None:
    git("config", "uploadpack.allowFilter", str(filters).lower(), cwd=app.path("app"))
    mirror = watch(app.url("app"), cache)
    bench.root = bench.root / 'a:"b\\c'  # Git reads its path out of a list
    bench.root.mkdir()
    history.go_on(app)
    git("--git-dir=.", "cat-file", "-e", history.gone, cwd=mirror)
    with pytest.raises(TerminalStepError, match=f"has no commit '{history.gone}'"):
        clone(
            with_mirror(bench, cache),
            app,
            blobless=filters,
            checkout=[{"path": "src", "commit": history.gone}],
        )
    assert history.gone not in objects(bench)


def test_a_login_that_was_revoked_gets_nothing_out_of_the_mirror(
    bench: Bench, locked: GitHttpServer, history: History, cache: Path
) -> None:
    history.begin(locked)
    watch(locked.url("app"), cache, ROBOT)
    locked.password = "another"
    bench.logins.known[locked.url("app")] = ROBOT
    with pytest.raises(TerminalStepError, match="Authentication failed"):
        clone(with_mirror(bench, cache), locked)
    assert not list(bench.root.rglob("*.pack"))


@pytest.mark.parametrize("user", ["robot", "other"])
def test_a_mirror_serves_logins_of_its_own_user_only(
    new_bench: BenchMaker, locked: GitHttpServer, history: History, cache: Path, user: str
) -> None:
    history.begin(locked)
    watch(locked.url("app"), cache, ROBOT)
    locked.user, locked.password = user, "renewed"
    sent = {}
    for name, bench in (("plain", new_bench()), ("mirrored", with_mirror(new_bench(), cache))):
        bench.logins.known[locked.url("app")] = Credential(user, "renewed")
        _, sent[name] = clone(bench, locked)
    assert (sent["mirrored"] < sent["plain"] - 2000) == (user == "robot")


def test_a_kept_clone_outlives_the_mirror_and_names_neither_it_nor_the_login(
    bench: Bench, locked: GitHttpServer, history: History, cache: Path, tmp_path: Path
) -> None:
    history.begin(locked)
    mirror = watch(locked.url("app"), cache, ROBOT)
    bench.logins.known[locked.url("app")] = ROBOT
    clone(with_mirror(bench, cache), locked)
    save(WorkDirectory(bench.root), tmp_path / "kept.tar")
    shutil.rmtree(bench.root)
    shutil.rmtree(cache)
    bench.root.mkdir()
    assert restore(tmp_path / "kept.tar", WorkDirectory(bench.root))
    repair_worktrees(bench.root)
    found = b"".join(place.read_bytes() for place in bench.root.rglob("*") if place.is_file())
    assert [word for word in (str(cache), mirror.stem, PASSWORD) if word.encode() in found] == []
    assert not list(bench.root.rglob("alternates"))
    git("--git-dir=.", "fsck", "--strict", cwd=bare_of(bench))
    (bench.root / "src/part1/file.txt").write_text("two\n")
    bench.run(GitCommitStep(), path="src", message="Two")
    bench.run(GitPushStep(), path="src")
    assert locked.read("app", "main", "part1/file.txt") == "two"


def lose_index(mirror: Path) -> None:
    for index in mirror.glob("objects/pack/*.idx"):
        index.unlink()


def lose_all(mirror: Path) -> None:
    shutil.rmtree(mirror)


def garble_refs(mirror: Path) -> None:
    (mirror / "packed-refs").write_text("garbage\n")


def half_write(mirror: Path) -> None:
    (mirror / "fetched").unlink()


def lock(mirror: Path) -> None:
    """Hold what whoever deletes it holds, until this process ends."""
    fcntl.flock(os.open(mirror.with_suffix(".use"), os.O_RDWR), fcntl.LOCK_EX)


def open_to_all(mirror: Path) -> None:
    mirror.parent.parent.parent.chmod(0o777)


@pytest.mark.parametrize(
    "harm",
    [
        flip_bytes,
        lose_index,
        lose_all,
        garble_refs,
        half_write,
        lock,
        open_to_all,
    ],
)
def test_a_mirror_that_cannot_be_used_fails_no_clone(
    new_bench: BenchMaker,
    app: GitHttpServer,
    history: History,
    cache: Path,
    harm: Callable[[Path], None],
) -> None:
    harm(watch(app.url("app"), cache))
    history.go_on(app)
    plain, mirrored = new_bench(), with_mirror(new_bench(), cache)
    expected, _ = clone(plain, app)
    assert clone(mirrored, app)[0] == expected
    assert contents(mirrored.root) == contents(plain.root)
    assert objects(mirrored) == objects(plain)


def test_a_promotion_that_was_taken_over_meanwhile_does_not_begin_another_clone(
    bench: Bench, app: GitHttpServer, cache: Path
) -> None:
    flip_bytes(watch(app.url("app"), cache))
    listings = app.listings

    def taken_over() -> None:
        raise RefusedError("another process goes on with this")

    bench.check_fence = taken_over
    with pytest.raises(RefusedError):
        clone(with_mirror(bench, cache), app)
    assert app.listings == listings


def test_no_file_larger_than_a_work_directory_may_hold_comes_out_of_a_mirror(
    new_bench: BenchMaker, app: GitHttpServer, cache: Path
) -> None:
    watch(app.url("app"), cache)
    plain, mirrored = new_bench(), with_mirror(new_bench(), cache)
    mirrored.settings = replace(mirrored.settings, max_workspace_size=1000)
    expected, all_bytes = clone(plain, app)
    found, sent = clone(mirrored, app)
    assert found == expected
    assert sent > all_bytes - SAME
    assert objects(mirrored) == objects(plain)


def test_a_clone_keeps_the_mirror_that_it_uses_from_being_deleted_for_its_age(
    bench: Bench, app: GitHttpServer, cache: Path
) -> None:
    use = watch(app.url("app"), cache).with_suffix(".use")
    os.utime(use, (0, 0))
    clone(with_mirror(bench, cache), app)
    assert use.stat().st_mtime > 0
