"""What a poll costs at which nothing is new, counted at the registry: `uv run python -m benchmarks.steady_poll`.

Requests and bytes of answers for repositories of 10, 1,000 and 20,000 tags: the first look, and a poll after it, for
which nothing is kept but the cache on disk. Beside it, where they are installed,
`skopeo list-tags` and `crane ls`, which list the tags and ask for no digest.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from airfreight.model.subscription import ImageSubscription
from airfreight.sources.backoff import Backoff
from airfreight.sources.base import Access, SourceSettings
from airfreight.sources.images import ImageSource
from tests.scripted_registry import Asked, Images, Reply, ScriptedRegistry

_SIZES = (10, 1_000, 20_000)
_TOOLS = {
    "skopeo list-tags": ("skopeo", "list-tags", "--tls-verify=false", "docker://{}"),
    "crane ls": ("crane", "ls", "--insecure", "{}"),
}
_WATCHED = {
    "SemVer": {},
    "SemVer, list with ETag": {},
    "SemVer, cacheByTag": {"cacheByTag": True},
    "Digest": {"imageSelectionStrategy": "Digest", "constraint": "1.0.0"},
    "NewestBuild": {"imageSelectionStrategy": "NewestBuild"},
}


class Counter:
    """Counts what a registry is asked and how many bytes it answers."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self.asked: dict[str, int] = {}
        self.sent = 0

    def __call__(self, asked: Asked) -> Reply:
        reply = self._images(asked)
        kind = asked.path.split("/")[-2] if "/v2/acme" in asked.path else "other"
        name = f"{asked.method} {kind}"
        self.asked[name] = self.asked.get(name, 0) + 1
        if asked.method == "GET" and isinstance(reply.body, bytes):
            self.sent += len(reply.body)
        return reply

    def take(self) -> str:
        """Return what was counted since the last call."""
        asked, sent = self.asked, self.sent
        self.asked, self.sent = {}, 0
        parts = [f"{count} {name}" for name, count in sorted(asked.items())]
        return f"{sum(asked.values())} ({', '.join(parts)}) | {sent:,}"


def repository(size: int, *, validator: bool) -> Images:
    """Return a repository of so many tags and twenty images."""
    images = Images(validator=validator)
    for number in range(size):
        tag = f"{number // 100}.{number // 10 % 10}.{number % 10}"
        if number < 20:
            images.push(tag, created=f"2026-01-{number + 1:02}T00:00:00Z")
        else:
            images.shown[tag] = images.shown[f"0.{number // 10 % 2}.{number % 10}"]
    images.push("1.0.0")
    return images


def measure(size: int, name: str, fields: dict[str, object]) -> None:
    """Print a row for the first look and one for the poll after it."""
    counter = Counter(repository(size, validator="ETag" in name))
    settings = SourceSettings(image_registry_rate_limit=10_000)
    with tempfile.TemporaryDirectory() as folder, ScriptedRegistry(counter) as registry:
        url = f"{registry.host}/acme/web"
        subscription = ImageSubscription.model_validate({"repoURL": url, **fields})

        async def look() -> None:
            source = ImageSource(subscription, "", backoff=Backoff())
            access = Access(None, settings, Path(folder))
            await source.mark(await source.poll(access), access)

        for moment in ("first look", "steady poll"):
            asyncio.run(look())
            print(f"| {size:,} | {name} | {moment} | {counter.take()} |", flush=True)


def measure_tool(size: int, name: str, command: tuple[str, ...]) -> None:
    """Print a row for a tool that lists tags; it asks all of them at every call."""
    counter = Counter(repository(size, validator=False))
    with ScriptedRegistry(counter) as registry:
        place = f"{registry.host}/acme/web"
        ran = subprocess.run(
            [part.format(place) for part in command], capture_output=True, check=True
        )
        listed = (
            len(json.loads(ran.stdout)["Tags"]) if "skopeo" in name else ran.stdout.count(b"\n")
        )
        print(f"| {size:,} | {name}, {listed:,} tags | every call | {counter.take()} |", flush=True)


def main() -> None:
    """Print the table that docs/operations.md has."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=_SIZES)
    sizes = parser.parse_args().sizes
    print(
        "| tags | what watches | | requests | bytes of answers |\n| --- | --- | --- | --- | --- |"
    )
    for size in sizes:
        for name, fields in _WATCHED.items():
            measure(size, name, dict(fields))
        for name, command in _TOOLS.items():
            if shutil.which(command[0]):
                measure_tool(size, name, command)


if __name__ == "__main__":
    main()
