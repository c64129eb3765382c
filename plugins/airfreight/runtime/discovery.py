"""One look of a Warehouse at its subscriptions: what it would make Freight of (`kargo.md` §4.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airfreight.errors import ArtifactError, RefusedError
from airfreight.model.freight import (
    ChartArtifact,
    FreightContent,
    FreightOrigin,
    GenericArtifact,
    GitCommit,
    ImageArtifact,
)
from airfreight.sources.base import Access, Artifact, Discovered, Found, Source

AccessTo = Callable[[Source], Access]
"""Gives what a look at a source may use; raises AuthenticationError or SettingsError."""

# Hex digits of a commit's id that a person has to give at least, and versions that a refusal lists.
_SHORTEST_ID = 7
_MOST_SHOWN = 10


@dataclass(frozen=True)
class Look:
    """What one subscription shows."""

    source: Source
    found: Found


@dataclass(frozen=True)
class Discovery:
    """What all subscriptions of a Warehouse show; one is enough to make the whole fail."""

    looks: tuple[Look, ...]

    @property
    def seen(self) -> Mapping[str, str]:
        """What the watchers should take as handled: source → mark."""
        return {look.source.url: look.found.mark for look in self.looks}

    @property
    def lacking(self) -> str:
        """Why there is no Freight: the first subscription that shows nothing; empty where each shows something."""
        empty = (look.source.url for look in self.looks if not look.found.artifacts)
        return next((f"{url} has nothing that meets the subscription" for url in empty), "")

    @property
    def newest(self) -> tuple[Discovered, ...]:
        """The best of each subscription."""
        return tuple(look.found.artifacts[0] for look in self.looks if look.found.artifacts)

    def chosen(self, versions: Mapping[str, str]) -> tuple[Discovered, ...]:
        """Return what a person chose: subscription, by its name or URL → tag, commit, version.

        Only what was discovered can be chosen, and each subscription once; raises RefusedError.
        """
        left = dict(versions)
        picked = tuple(_pick(look, left) for look in self.looks)
        if left:
            known = ", ".join(look.source.url for look in self.looks)
            raise RefusedError(f"the Warehouse has no subscription {min(left)!r}; it has {known}")
        return picked


async def discover(
    sources: Sequence[Source],
    access_to: AccessTo,
    *,
    as_of: datetime | None = None,
    limit: int | None = None,
) -> Discovery:
    """Look at every subscription at once.

    `as_of`: only what existed at that moment counts. `limit`: artifacts of each subscription, else its own. Raises
    ArtifactError where one fails, with all that fail in its message: no Freight is made of a part.
    """
    answers = await asyncio.gather(
        *(_look(source, access_to, as_of, limit) for source in sources), return_exceptions=True
    )
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, ArtifactError):
            raise answer
    faults = [answer for answer in answers if isinstance(answer, ArtifactError)]
    if faults:
        raise faults[0].reworded("; ".join(str(fault) for fault in faults))
    return Discovery(tuple(answer for answer in answers if isinstance(answer, Look)))


async def _look(
    source: Source, access_to: AccessTo, as_of: datetime | None, limit: int | None
) -> Look:
    access = await asyncio.to_thread(access_to, source)
    try:
        wanted = source.discovery_limit if limit is None else limit
        return Look(source, await source.discover(access, limit=wanted, as_of=as_of))
    except ArtifactError as error:
        raise error.reworded(f"{source.url}: {error}") from error


def content_of(origin: FreightOrigin, artifacts: Sequence[Artifact]) -> FreightContent:
    """Return what a Freight of these artifacts is made of."""
    return FreightContent(
        origin=origin,
        commits=tuple(a for a in artifacts if isinstance(a, GitCommit)),
        images=tuple(a for a in artifacts if isinstance(a, ImageArtifact)),
        charts=tuple(a for a in artifacts if isinstance(a, ChartArtifact)),
        artifacts=tuple(a for a in artifacts if isinstance(a, GenericArtifact)),
    )


def version_of(artifact: Artifact) -> str:
    """Return what a person calls the artifact: a tag, a version, a commit's full id where no tag led to it."""
    match artifact:
        case GitCommit():
            return artifact.tag or artifact.id
        case ImageArtifact():
            return artifact.tag
        case _:
            return artifact.version


def is_news(artifact: Artifact, after: str) -> bool:
    """Say whether `artifact` is another than `after`, a version, or ``tag@digest`` where a tag may move."""
    if isinstance(artifact, ImageArtifact) and "@" in after:
        return f"{artifact.tag}@{artifact.digest}" != after
    return version_of(artifact) != after


async def find_news(source: Source, access: Access, after: str) -> dict[str, Any] | None:
    """Look once, and return the best artifact as a Freight lists it; None where there is none or it is `after`."""
    found = await source.discover(access, limit=1, as_of=None)
    news = (one.artifact for one in found.artifacts if is_news(one.artifact, after))
    return next((artifact.model_dump(mode="json", by_alias=True) for artifact in news), None)


def _pick(look: Look, left: dict[str, str]) -> Discovered:
    source = look.source
    names = [name for name in (source.name, source.url) if name and name in left]
    if not names:
        raise RefusedError(f"nothing is chosen of {source.url}; every subscription needs one")
    wanted = left.pop(names[0])
    for candidate in look.found.artifacts:
        if _is_called(candidate.artifact, wanted):
            return candidate
    shown = ", ".join(version_of(found.artifact) for found in look.found.artifacts[:_MOST_SHOWN])
    raise RefusedError(f"{source.url} shows no {wanted!r} now; it shows {shown or 'nothing'}")


def _is_called(artifact: Artifact, wanted: str) -> bool:
    if isinstance(artifact, GitCommit) and len(wanted) >= _SHORTEST_ID:
        return artifact.tag == wanted or artifact.id.startswith(wanted)
    return version_of(artifact) == wanted
