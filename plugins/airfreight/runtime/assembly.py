"""Freight that a person puts together: what a run of a Warehouse's DAG is asked for in its `conf` (`kargo.md` §4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airfreight.errors import RefusedError

ARTIFACTS = "artifacts"
PROMOTE = "promote"
_MOST_SHOWN = 5
_LONGEST = 300


@dataclass(frozen=True)
class Assembly:
    """`versions`: subscription, by its name or URL → tag, commit or version. `promote`: Stages may take it at once."""

    versions: Mapping[str, str]
    promote: bool


def read_assembly(conf: Mapping[str, Any]) -> Assembly | None:
    """Read a run's `conf`; None where it asks for no more than a look. Raises RefusedError where it is neither."""
    unknown = sorted(str(key)[:_LONGEST] for key in set(conf) - {ARTIFACTS, PROMOTE})
    if unknown:
        listed = ", ".join(repr(key) for key in unknown[:_MOST_SHOWN])
        raise RefusedError(f"conf holds {listed}; it may hold {ARTIFACTS} and {PROMOTE}")
    promote = conf.get(PROMOTE)
    if not isinstance(promote, bool | None):
        raise RefusedError(f"conf {PROMOTE} has to be true or false")
    chosen = conf.get(ARTIFACTS)
    if chosen in (None, {}):
        if promote:
            raise RefusedError(f"conf {PROMOTE} needs {ARTIFACTS}: subscription → version")
        return None
    if not isinstance(chosen, dict) or not all(
        isinstance(text, str) and text for pair in chosen.items() for text in pair
    ):
        raise RefusedError(
            f"conf {ARTIFACTS} has to map each subscription, by its name or URL, to a tag, commit or version"
        )
    return Assembly(chosen, bool(promote))
