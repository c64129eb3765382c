"""What the triggerer uses and what a registry is asked, over a stretch of time."""

from __future__ import annotations

import itertools
import math
import os
import re
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.live.world import World

LIST = "tags/list"
_ASKED = re.compile(r'"(GET|HEAD) /v2/(\S+)/(tags/list|manifests/|blobs/)([^\s"]*)')
_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Asked:
    """A request; `what` is a tag, a digest or, for a list, its query, which may say who asks."""

    method: str
    repository: str
    kind: str
    what: str

    @property
    def is_list(self) -> bool:
        return self.kind == LIST

    @property
    def is_head(self) -> bool:
        return self.method == "HEAD"


@dataclass
class Sample:
    """What one stretch of time showed; CPU and length in seconds, memory in bytes.

    `asked` are the moments of each request on the monotonic clock, good to 20 ms.
    """

    length: float = 0.0
    cpu: float = 0.0
    peak_rss: int = 0
    asked: dict[Asked, list[float]] = field(default_factory=lambda: defaultdict(list))

    def count(self, chosen: Callable[[Asked], bool]) -> int:
        return sum(len(moments) for asked, moments in self.asked.items() if chosen(asked))

    def lateness(self, chosen: Callable[[Asked], bool], interval: float) -> list[float]:
        """Return by how many seconds each of these came later than the interval says, in order."""
        return sorted(
            later - earlier - interval
            for asked, moments in self.asked.items()
            if chosen(asked)
            for earlier, later in itertools.pairwise(moments)
        )


def tree(pid: int) -> list[psutil.Process]:
    leader = psutil.Process(pid)
    return [leader, *leader.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in tree(pid))


def rss(pid: int) -> int:
    total = 0
    for process in tree(pid):
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total


@contextmanager
def sampling(world: World) -> Iterator[Sample]:
    """Look at the triggerer and at the registry's log during the block; `asked` grows meanwhile."""
    sample, pid = Sample(), world.stack.pid("triggerer")
    stopped = threading.Event()
    follower = threading.Thread(
        target=_follow, args=(world.registry.log, sample.asked, stopped), daemon=True
    )
    watcher = threading.Thread(target=_watch_memory, args=(pid, sample, stopped), daemon=True)
    start, before = time.monotonic(), cpu_seconds(pid)
    follower.start()
    watcher.start()
    try:
        yield sample
        sample.length = time.monotonic() - start
        sample.cpu = cpu_seconds(pid) - before
    finally:
        stopped.set()
        follower.join()
        watcher.join()


def _follow(log: Path, asked: dict[Asked, list[float]], stopped: threading.Event) -> None:
    with log.open(errors="replace") as lines:
        lines.seek(0, os.SEEK_END)
        rest = ""
        while not stopped.wait(_LOOK_SECONDS):
            *whole, rest = (rest + lines.read()).split("\n")
            for line in whole:
                if found := _ASKED.search(line):
                    asked[Asked(*found.groups())].append(time.monotonic())


def _watch_memory(pid: int, sample: Sample, stopped: threading.Event) -> None:
    while not stopped.wait(1):
        sample.peak_rss = max(sample.peak_rss, rss(pid))


def print_sample(title: str, sample: Sample) -> None:
    lists = sample.count(lambda asked: asked.is_list)
    heads = sample.count(lambda asked: asked.is_head)
    others = sum(map(len, sample.asked.values())) - lists - heads
    a_poll = (lists + heads + others) / max(1, lists)
    share = sample.cpu / sample.length
    _print_row(f"{title}, seconds", f"{sample.length:.0f}")
    _print_row("  triggerer CPU", f"{sample.cpu:.1f} s, {share:.1%} of a core")
    _print_row("  triggerer peak RSS", f"{sample.peak_rss / 2**20:.0f} MiB")
    _print_row("  lists, HEADs, other requests", f"{lists}, {heads}, {others}; {a_poll:.2f} a poll")


def print_lateness(sample: Sample, interval: float) -> None:
    """Print by how much requests came later than an interval after the one before."""
    _print_late("  lists late", sample.lateness(lambda asked: asked.is_list, interval))
    _print_late("  HEADs late", sample.lateness(lambda asked: asked.is_head, interval))


def _print_late(title: str, late: list[float]) -> None:
    if late:
        p99 = late[math.ceil(0.99 * len(late)) - 1]
        shown = f"{statistics.median(late):.2f} s, {p99:.2f} s, {late[-1]:.2f} s"
        _print_row(f"{title}, p50, p99, worst", f"{shown}, of {len(late)}")


def _print_row(title: str, value: str) -> None:
    print(f"{title:34} {value}", flush=True)
