"""Which tags of a repository a subscription selects, and which images were there when (`kargo.md` §4.5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from airfreight.artifacts.image_repository import DiscoveredImage
from airfreight.artifacts.tags import explain_tags
from airfreight.errors import ArtifactError, VersionError

# Builders that make the same image every time write 1970 or 1980; Docker came in 2013.
_FIRST_IMAGE = datetime(2013, 1, 1, tzinfo=UTC)
_DATE_IN_TAG = re.compile(
    r"(?<!\d)(20[1-9]\d)[-._]?(0[1-9]|1[0-2])[-._]?(0[1-9]|[12]\d|3[01])(?!\d)"
)


class ImageSubscriptionLike(Protocol):
    """What of an image subscription matters here."""

    @property
    def image_selection_strategy(self) -> str: ...
    @property
    def constraint(self) -> str: ...
    @property
    def strict_semvers(self) -> bool: ...
    @property
    def allow_tags_regexes(self) -> Sequence[str]: ...
    @property
    def ignore_tags_regexes(self) -> Sequence[str]: ...


def explain_of(
    tags: Iterable[str], subscription: ImageSubscriptionLike
) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the tags that the subscription selects, and each of the others with the rule that drops it.

    The selected are in their order, best first, but for NewestBuild, which needs the images for that. Raises
    ArtifactError.
    """
    strategy = subscription.image_selection_strategy
    try:
        return explain_tags(
            tags,
            strategy="Lexical" if strategy == "NewestBuild" else strategy,
            constraint=subscription.constraint,
            strict=subscription.strict_semvers,
            allow=subscription.allow_tags_regexes,
            ignore=subscription.ignore_tags_regexes,
        )
    except VersionError as error:
        raise ArtifactError(f"constraint: {error}") from None


def existed(image: DiscoveredImage, moment: datetime) -> bool:
    """Say whether an image was there at a moment, by its own date or the one in its tag.

    Raises ArtifactError where neither says.
    """
    made = image.created_at
    if made is None or made < _FIRST_IMAGE:
        made = _date_in(image.tag)
    if made is None:
        raise ArtifactError(
            f"nobody can know whether {image.tag} was there at {moment:%Y-%m-%d %H:%M} UTC: neither its"
            " image nor its tag has a date; build images with org.opencontainers.image.created"
        )
    return made <= moment


def _date_in(tag: str) -> datetime | None:
    """Return the end of the day that a tag names: by then its image was there."""
    match = _DATE_IN_TAG.search(tag)
    try:
        day = datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=UTC) if match else None
    except ValueError:
        return None
    return day + timedelta(days=1) if day else None
