"""A Git repository at a server of the test, and Warehouses' subscriptions to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from airfreight.model.credential import Credential
from airfreight.model.freight import GitCommit
from airfreight.model.subscription import GitSubscription
from airfreight.sources.backoff import Backoff
from airfreight.sources.base import Access, Found, SourceSettings
from airfreight.sources.git import GitSource
from tests.git_http import GitHttpServer, git

SETTINGS = SourceSettings(allow_loopback=True, allow_credentials_over_http=True)


def day(number: int) -> str:
    """Return noon of a day of January 2024."""
    return f"2024-01-{number:02}T12:00:00+00:00"


def moment(number: int) -> datetime:
    return datetime.fromisoformat(day(number))


def subscribe(url: str, **fields: Any) -> GitSource:
    """Return the source for a subscription with these fields, as a manifest has them."""
    subscription = GitSubscription.model_validate({"repoURL": url, **fields})
    return GitSource(subscription, "app", Backoff())


@dataclass
class Watched:
    """One repository, `name` at `server`, with a checkout of its own at `work`; days count up from 1."""

    server: GitHttpServer
    work: Path
    cache: Path
    name: str = "app"
    credential: Credential | None = None
    settings: SourceSettings = SETTINGS

    def __post_init__(self) -> None:
        self.server.create(self.name, {})
        self.work.mkdir()
        git("init", "--quiet", "--initial-branch=main", cwd=self.work)
        git("remote", "add", "origin", str(self.server.path(self.name)), cwd=self.work)

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    @property
    def access(self) -> Access:
        return Access(self.credential, self.settings, self.cache)

    def at(self, **changes: Any) -> Watched:
        """Return the same repository for another login, cache or settings."""
        other = object.__new__(Watched)
        other.__dict__.update({**self.__dict__, **changes})
        return other

    def git(self, *arguments: str, on: int = 1) -> str:
        return git(*arguments, cwd=self.work, date=day(on))

    def commit(self, message: str, *paths: str, on: int = 1) -> str:
        """Commit a change of each path; return the SHA."""
        for path in paths:
            place = self.work / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(f"{message}\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}", on=on)
        return self.git("rev-parse", "HEAD")

    def push(self, *more: str) -> None:
        self.git("push", "--quiet", "--force", "--all", "origin", *more)
        self.git("push", "--quiet", "--force", "--tags", "origin")

    async def mark(self, source: GitSource) -> str:
        """Return what a watcher sees: a poll, then the mark."""
        return await source.mark(await source.poll(self.access), self.access)

    async def found(self, as_of: datetime | None = None, limit: int = 20, **fields: Any) -> Found:
        source = subscribe(self.url, **fields)
        return await source.discover(self.access, limit=limit, as_of=as_of)

    async def taken(self, **fields: Any) -> list[str]:
        """Return the tags or else the messages of what a subscription discovers."""
        return [shown(one.artifact) for one in (await self.found(**fields)).artifacts]


def shown(artifact: Any) -> str:
    assert isinstance(artifact, GitCommit)
    return artifact.tag or artifact.message


def within(settings: SourceSettings, **changes: Any) -> SourceSettings:
    return replace(settings, **changes)
