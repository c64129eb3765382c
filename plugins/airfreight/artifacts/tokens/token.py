"""A token that opens repositories for a while, and what fetches one."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from airfreight.errors import SettingsError

_LONGEST_REASON = 300


@dataclass(frozen=True)
class Token:
    """A login that ends by itself; `expires_at` is in seconds since 1970."""

    username: str
    password: str = field(repr=False)
    expires_at: float


class TokenProvider(Hashable, Protocol):
    """Fetches tokens. Equal providers fetch the same one, so every secret and scope is part of the comparison.

    `whose` names the Connection, or what else the identity comes from, in errors.
    """

    @property
    def whose(self) -> str: ...

    def fetch(self) -> Token:
        """Ask for a new token; blocks.

        Raises AuthenticationError where the identity is refused, NotFoundError where it has no such repository,
        TransientError where the service does not answer, SettingsError where the Connection or a package is at fault.
        """
        ...


@contextmanager
def needs(requirement: str, whose: str) -> Iterator[None]:
    """Import a cloud's packages within: where they are missing, SettingsError says what to install."""
    try:
        yield
    except ImportError as error:
        raise SettingsError(
            f"{whose} needs the package {error.name}: run pip install '{requirement}' in the image of every component"
        ) from error


def in_short(reason: object) -> str:
    """Return what a service or its package says, on one line and not too long."""
    words = " ".join("".join(c if c.isprintable() else " " for c in str(reason)).split())
    return words if len(words) <= _LONGEST_REASON else words[:_LONGEST_REASON] + "…"
