"""What a Warehouse saw, in words for a log and as data for an event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airfreight.runtime.discovery import Discovery, version_of

# Of each subscription: enough to see why, and no event of megabytes where a repository has 50,000 tags.
_MOST = 20
# Of a name: that of an object or a file may have thousands.
_MOST_CHARACTERS = 200


def describe(discovery: Discovery) -> Iterator[str]:
    """Yield lines: what each subscription takes, and what it does not and by which rule."""
    for look in discovery.looks:
        taken = [_short(version_of(found.artifact)) for found in look.found.artifacts]
        yield f"{look.source.url} takes {', '.join(taken) or 'nothing'}"
        rejected = look.found.rejected
        yield from (f"  not {_short(one.name)}: {one.rule}" for one in rejected[:_MOST])
        if len(rejected) > _MOST:
            yield f"  and {len(rejected) - _MOST} more"


def as_data(discovery: Discovery) -> Mapping[str, Any]:
    """Return the same as JSON: source → ``{"taken": […], "rejected": {name: rule}}``."""
    return {
        look.source.url: {
            "taken": [_short(version_of(found.artifact)) for found in look.found.artifacts],
            "rejected": {_short(one.name): one.rule for one in look.found.rejected[:_MOST]},
        }
        for look in discovery.looks
    }


def _short(name: str) -> str:
    return name if len(name) <= _MOST_CHARACTERS else f"{name[: _MOST_CHARACTERS - 1]}…"
