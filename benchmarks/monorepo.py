"""One push to a monorepo that 57 Warehouses watch by paths: fetches, bytes and seconds until each knows its commit.

    uv run python -m benchmarks.monorepo [COMMITS [WAREHOUSES]]

Then what a `git-clone` step costs without that mirror and with it; one with all file contents also where the server
cannot leave them out, so that the mirror has them. At last what as many blobless clones as Warehouses cost, one after
the other, for three minutes at most. All ask the same Git server on this machine, which counts.
"""

from __future__ import annotations

import asyncio
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from airfreight.model.subscription import GitSubscription
from airfreight.sources.base import Access, SourceSettings
from airfreight.sources.git import GitSource
from airfreight.steps.base import StepSettings
from airfreight.steps.git_clone import GitCloneConfig, GitCloneStep
from airfreight.steps.trial import trial_context
from tests.git_http import GitHttpServer, git

FILES = 5
CLONING_SECONDS = 180.0
CLONES = 5
"""How often each step runs; the median counts."""
PUSHED = (7, 23)
"""The folders that the push changes."""


def history(commits: int, folders: int) -> Iterator[str]:
    """Yield a stream for git fast-import: every file once, then one file in each commit."""
    for number in range(commits):
        message = f"Change {number}"
        yield f"commit refs/heads/main\nmark :{number + 1}\n"
        yield f"committer Bench <bench@example.com> {1_600_000_000 + 60 * number} +0000\n"
        yield f"data {len(message)}\n{message}\n"
        yield f"from :{number}\n" if number else ""
        first = number == 0
        for folder in range(folders) if first else (number * 31 % folders,):
            for file in range(FILES) if first else (number % FILES,):
                text = f"{folder} {file} {number}\n" * 40
                yield f"M 100644 inline apps/app{folder}/src/file{file}.yaml\n"
                yield f"data {len(text)}\n{text}\n"


def push(server: GitHttpServer, number: int) -> None:
    """Put a commit on top of main that changes the folders of `PUSHED`."""
    text = f"pushed {number}\n"
    message = f"Push {number}"
    stream = (
        f"commit refs/heads/main\ncommitter Bench <bench@example.com> {1_700_000_000 + number} +0000\n"
        f"data {len(message)}\n{message}\nfrom refs/heads/main^0\n"
    )
    for folder in PUSHED:
        stream += f"M 100644 inline apps/app{folder}/src/file0.yaml\ndata {len(text)}\n{text}\n"
    fast_import(server, stream)


def fast_import(server: GitHttpServer, stream: str) -> None:
    place = server.path("mono")
    subprocess.run(["git", "fast-import", "--quiet"], cwd=place, input=stream.encode(), check=True)


@dataclass
class Count:
    """What something cost, at the server and here."""

    server: GitHttpServer

    def __enter__(self) -> Count:
        self._before = (self.server.listings, self.server.packs, self.server.sent)
        self._cpu = processor_seconds()
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._started
        self.cpu = processor_seconds() - self._cpu
        listings, packs, sent = self._before
        self.packs, self.sent = self.server.packs - packs, self.server.sent - sent
        self.listings = self.server.listings - listings

    def row(self, what: str) -> str:
        numbers = f"{self.listings:8} {self.packs:7} {self.sent / 1000:12,.1f}"
        return f"{what:38} {numbers} {self.seconds:9.2f} {self.cpu:8.2f}"


def processor_seconds() -> float:
    """Return what this process and its children took; the server's are among them."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


async def marks(sources: list[GitSource], access: Access) -> list[str]:
    """Return what all Warehouses see after the poll that they share."""
    seen = await sources[0].poll(access)
    return list(await asyncio.gather(*(source.mark(seen, access) for source in sources)))


def watch(server: GitHttpServer, warehouses: int, cache: Path) -> None:
    """Print what the first look, a push and a steady poll cost."""
    access = Access(None, SourceSettings(allow_loopback=True), cache)
    sources = [
        GitSource(
            GitSubscription.model_validate(
                {"repoURL": server.url("mono"), "branch": "main", "includePaths": [f"apps/app{n}"]}
            ),
            "",
        )
        for n in range(warehouses)
    ]
    with Count(server) as count:
        before = asyncio.run(marks(sources, access))
    print(count.row("first look of all"))
    for number in range(3):
        push(server, number)
        with Count(server) as count:
            after = asyncio.run(marks(sources, access))
        changed = [n for n in range(warehouses) if after[n] != before[n]]
        print(count.row(f"push {number + 1}: woken {changed}"))
        assert changed == [n for n in PUSHED if n < warehouses]
        before = after
    with Count(server) as count:
        assert asyncio.run(marks(sources, access)) == before
    print(count.row("steady poll of all"))


def clone_by_step(server: GitHttpServer, folder: Path, cache: Path | None, blobless: bool) -> Count:
    """Return what one `git-clone` costs."""
    folder.mkdir()
    settings = StepSettings(allow_loopback=True, cache=cache)
    context = replace(trial_context(folder), settings=settings)
    given = {"repoURL": server.url("mono"), "checkout": [{"path": "src"}], "blobless": blobless}
    with Count(server) as count:
        GitCloneStep().run(GitCloneConfig.model_validate(given), context)
    shutil.rmtree(folder)
    return count


def clone_by_steps(server: GitHttpServer, folder: Path, cache: Path, kind: str) -> None:
    """Print what a `git-clone` of this kind costs without the mirror and with it, in turns."""
    ways = {"": None, ", with the mirror": cache}
    counts: dict[str, list[Count]] = {way: [] for way in ways}
    for _ in range(CLONES):
        for way, used in ways.items():
            counts[way].append(clone_by_step(server, folder, used, kind == "blobless"))
    for way, found in counts.items():
        found.sort(key=lambda count: count.seconds)
        print(found[len(found) // 2].row(f"git-clone, {kind}{way}"))


def clone_all(server: GitHttpServer, warehouses: int, folder: Path) -> None:
    """Print what one blobless clone for each Warehouse costs."""
    done = 0
    with Count(server) as count:
        while done < warehouses and time.perf_counter() - count._started < CLONING_SECONDS:
            place = folder / f"clone{done}.git"
            options = ("--quiet", "--bare", "--single-branch", "--filter=blob:none")
            git("clone", *options, server.url("mono"), str(place), cwd=folder)
            git("log", "--first-parent", "-n20", "--format=%H", cwd=place)
            done += 1
    print(count.row(f"{done} of {warehouses} blobless clones"))


def main(commits: int, warehouses: int) -> None:
    with tempfile.TemporaryDirectory() as base, GitHttpServer(Path(base) / "remote") as server:
        server.create("mono", {})
        fast_import(server, "".join(history(commits, warehouses)))
        git("repack", "-a", "-d", "--quiet", cwd=server.path("mono"))
        size = sum(pack.stat().st_size for pack in server.path("mono").glob("objects/pack/*.pack"))
        print(f"{commits} commits, {warehouses} Warehouses, {size / 1e6:.1f} MB packed")
        print(f"{'':38} {'listings':>8} {'packs':>7} {'kB sent':>12} {'seconds':>9} {'CPU s':>8}")
        watch(server, warehouses, Path(base) / "cache")
        for kind in ("blobless", "whole"):
            clone_by_steps(server, Path(base) / "step", Path(base) / "cache", kind)
        git("config", "uploadpack.allowFilter", "false", cwd=server.path("mono"))
        watch(server, warehouses, Path(base) / "full")
        clone_by_steps(server, Path(base) / "step", Path(base) / "full", "whole")
        git("config", "uploadpack.allowFilter", "true", cwd=server.path("mono"))
        clone_all(server, warehouses, Path(base))


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [15_000, 57][len(given) :]))
