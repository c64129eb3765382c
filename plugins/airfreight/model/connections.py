"""Which Connections of Airflow a project may use: their ids say whose they are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

SHARED_PREFIX = "airfreight_shared_"


def connection_prefix(project: str) -> str:
    """Return what the ids of a project's own Connections begin with."""
    return f"airfreight_{re.sub(r'[^0-9a-z]', '_', project)}_"


@dataclass(frozen=True)
class ConnectionIds:
    """The ids that a project may use; `project` None stands for what all projects share.

    `beside` are the names of the other projects of the deployment: the prefix of one may extend that of another, as
    that of `shop-payments` extends that of `shop`, and an id is of the longest prefix that it begins with.
    """

    project: str | None
    beside: frozenset[str] = frozenset()

    @property
    def own(self) -> str:
        """The prefix that a new id gets."""
        return SHARED_PREFIX if self.project is None else connection_prefix(self.project)

    def refusal(self, connection_id: str) -> str | None:
        """Say why the Connection of this id may not be used; None where it may."""
        prefixes = tuple(dict.fromkeys((self.own, SHARED_PREFIX)))
        fitting = [prefix for prefix in prefixes if connection_id.startswith(prefix)]
        if not fitting or not re.fullmatch(r"[\w.-]+", connection_id):
            reason = f"its Connections begin with {' or '.join(prefixes)}"
        elif owner := self._owner(connection_id, max(map(len, fitting))):
            reason = f"what begins with {connection_prefix(owner)} belongs to project {owner}"
        else:
            return None
        who = "what all projects share" if self.project is None else f"project {self.project}"
        return f"{who} may not use Connection {connection_id!r}; {reason}"

    def _owner(self, connection_id: str, length: int) -> str | None:
        """Return the project beside whose prefix fits, and is longer than `length`."""
        fitting = (
            name
            for prefix, name in self._prefixes
            if len(prefix) > length and connection_id.startswith(prefix)
        )
        return next(fitting, None)

    @cached_property
    def _prefixes(self) -> tuple[tuple[str, str], ...]:
        return tuple(sorted((connection_prefix(name), name) for name in self.beside))

    def clash(self) -> str | None:
        """Say why the project's name would give it Connections of others; None where it does not."""
        if self.own == SHARED_PREFIX:
            return f"its Connections would be those that all projects share, {SHARED_PREFIX}…"
        same = [name for prefix, name in self._prefixes if prefix == self.own]
        return f"its Connections would be those of project {same[0]}, {self.own}…" if same else None


def named_connections(
    arguments: Any, place: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield every Connection that arguments of Airflow's classes name, and where: the argument ends with conn_id."""
    if isinstance(arguments, list):
        for index, item in enumerate(arguments):
            yield from named_connections(item, (*place, index))
    elif isinstance(arguments, Mapping):
        for key, item in arguments.items():
            here = (*place, str(key))
            if str(key).endswith("conn_id") and isinstance(item, str):
                yield here, item
            yield from named_connections(item, here)
