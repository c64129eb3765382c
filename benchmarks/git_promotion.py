"""Seconds of clone + commit + push by our steps, beside plain git commands against the same server.

    uv run python -m benchmarks.git_promotion [COUNT]

Both work on the same repository of FILES files, COUNT times (10) in turns, over http on this machine with a login.
"""

from __future__ import annotations

import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx

from airfreight.model.credential import Credential
from airfreight.steps.base import StepContext, StepSettings
from airfreight.steps.git_clone import GitCloneConfig, GitCloneStep
from airfreight.steps.git_commit import GitCommitConfig, GitCommitStep
from airfreight.steps.git_push import GitPushConfig, GitPushStep
from airfreight.steps.workdir import WorkDirectory
from tests.git_http import GitHttpServer

FILES = 1000
PASSWORD = "bench-password"
PARTS = ("clone", "commit", "push")
Seconds = dict[str, float]


class OneLogin:
    """The same login for every repository."""

    def find(self, kind: str, url: str) -> Credential | None:
        return Credential("robot", PASSWORD) if (kind, url) else None


def timed(parts: dict[str, Callable[[], object]]) -> Seconds:
    taken = {}
    for name, part in parts.items():
        start = time.perf_counter()
        part()
        taken[name] = time.perf_counter() - start
    return taken


def by_steps(folder: Path, url: str, text: str) -> Seconds:
    context = StepContext(
        project="bench",
        stage="dev",
        promotion="dev.bench",
        alias="step-1",
        started_at=datetime.now(UTC),
        workdir=WorkDirectory(folder),
        credentials=OneLogin(),
        settings=StepSettings(allow_loopback=True, allow_credentials_over_http=True),
        http=httpx.Client,
        log=logging.getLogger("benchmarks"),
        check_fence=lambda: None,
    )
    clone = GitCloneConfig.model_validate({"repoURL": url, "checkout": [{"path": "src"}]})
    change = GitCommitConfig(path="src", message="Change")

    def commit() -> None:
        (folder / "src/file0.txt").write_text(text)
        GitCommitStep().run(change, context)

    return timed(
        {
            "clone": lambda: GitCloneStep().run(clone, context),
            "commit": commit,
            "push": lambda: GitPushStep().run(GitPushConfig(path="src"), context),
        }
    )


def by_git(folder: Path, url: str, text: str) -> Seconds:
    """Run the four commands that a script for the same would run."""
    helper = f"!f() {{ echo username=robot; echo password={PASSWORD}; }}; f"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    source = folder / "src"

    def git(*arguments: str, cwd: Path = source) -> None:
        options = (
            "-c",
            f"credential.helper={helper}",
            "-c",
            "user.name=B",
            "-c",
            "user.email=b@b.b",
        )
        subprocess.run(["git", *options, *arguments], cwd=cwd, env=environment, check=True)

    def commit() -> None:
        (source / "file0.txt").write_text(text)
        git("commit", "--quiet", "--all", "--message=Change")

    def push() -> None:
        git("pull", "--quiet", "--rebase")
        git("push", "--quiet")

    clone = ("clone", "--quiet", url, str(source))
    return timed({"clone": lambda: git(*clone, cwd=folder), "commit": commit, "push": push})


def main(count: int) -> None:
    ours: list[Seconds] = []
    plain: list[Seconds] = []
    with (
        tempfile.TemporaryDirectory() as base,
        GitHttpServer(Path(base) / "remote", "robot", PASSWORD) as server,
    ):
        server.create("app", {f"file{number}.txt": f"{number}\n" * 50 for number in range(FILES)})
        for number in range(count):
            for name, way, rows in (("ours", by_steps, ours), ("plain", by_git, plain)):
                folder = Path(base) / f"{name}{number}"
                folder.mkdir()
                rows.append(way(folder, server.url("app"), f"{name} {number}\n"))
    print(
        f"{'median s':10} {'git':>8} {'ours':>8} {'our share':>10}   ({count} times, {FILES} files)"
    )
    for label, names in (*((part, (part,)) for part in PARTS), ("all", PARTS)):
        git, own = (
            statistics.median(sum(row[name] for name in names) for row in rows)
            for rows in (plain, ours)
        )
        print(f"{label:10} {git:8.3f} {own:8.3f} {own - git:+8.3f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
