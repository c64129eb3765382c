"""Logins for the tests of steps that reach repositories."""

from __future__ import annotations

from dataclasses import dataclass, field

from airfreight.model.credential import Credential


@dataclass
class Logins:
    """Credentials by URL, and which were asked for."""

    known: dict[str, Credential] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def find(self, kind: str, url: str) -> Credential | None:
        self.asked.append((kind, url))
        return self.known.get(url)
