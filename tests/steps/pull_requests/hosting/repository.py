"""A hosted repository as all services have it: pull requests over the branches of a Git server, with state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.git_http import GitHttpServer, git


@dataclass
class Request:
    """One pull request on the server."""

    number: int
    source: str
    target: str
    title: str
    description: str
    head: str
    state: str = "open"
    merge_commit: str | None = None
    labels: list[str] = field(default_factory=list)


@dataclass
class HostedRepository:
    """One repository and its pull requests; `ready` says whether these can be merged."""

    git: GitHttpServer
    name: str
    token: str
    requests: list[Request] = field(default_factory=list)
    ready: bool = True
    merges: int = 0
    clock: int = 1_700_000_000

    def run(self, *arguments: str) -> str:
        """Run git in the repository."""
        return git(*arguments, cwd=self.git.path(self.name))

    def open(
        self, source: str, target: str, title: str, description: str, labels: Sequence[str] = ()
    ) -> Request | None:
        """Open one, unless one is open between the branches."""
        if self.find(source, target, ended=False):
            return None
        head = self.run("rev-parse", f"refs/heads/{source}")
        number = len(self.requests) + 1
        one = Request(number, source, target, title, description, head, labels=list(labels))
        self.requests.append(one)
        return one

    def find(self, source: str, target: str, *, ended: bool = True) -> list[Request]:
        """Return those between the branches; without `ended` the open ones, as most services do if not asked."""
        return [
            one
            for one in self.requests
            if (one.source, one.target) == (source, target) and (ended or one.state == "open")
        ]

    def at(self, number: str) -> Request:
        """Return the one with this number in an address."""
        return self.requests[int(number) - 1]

    def merge(self, number: int) -> None:
        """Merge as a person or the API would: a merge commit on the target branch."""
        one = self.requests[number - 1]
        tip = self.run("rev-parse", f"refs/heads/{one.target}")
        tree = self.run("merge-tree", "--write-tree", tip, one.head)
        commit = self.run("commit-tree", tree, "-p", tip, "-p", one.head, "-m", one.title)
        self.run("update-ref", f"refs/heads/{one.target}", commit)
        one.state, one.merge_commit = "merged", commit
        self.merges += 1


# Gets the groups of its address without the repository, and what query and body hold; returns status and JSON.
Act = Callable[[HostedRepository, tuple[str, ...], dict[str, Any]], tuple[int, Any]]
# Method, pattern of the unescaped path, what is done.
Route = tuple[str, str, Act]
