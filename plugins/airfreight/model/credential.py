"""A user name with its password."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Credential:
    """What opens a repository; the password shows in no `repr`, `str` or traceback of it."""

    username: str
    password: str = field(repr=False)
