"""GitHub's Git Data API: commits and refs that GitHub itself makes, and therefore may sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from airfreight.artifacts.hosting.github import GitHub
from airfreight.artifacts.hosting.protocol import Answer, Call, Exchange


@dataclass(frozen=True)
class Person:
    """Who wrote or committed, and when, as ISO 8601 with a zone."""

    name: str
    email: str
    date: str

    def as_json(self) -> dict[str, str]:
        """Return it as the API wants it."""
        return {"name": self.name, "email": self.email, "date": self.date}


@dataclass(frozen=True)
class NewCommit:
    """A commit to make; without `author` and `committer` it is the login's own, and GitHub signs it."""

    tree: str
    parents: tuple[str, ...]
    message: str
    author: Person | None = None
    committer: Person | None = None


def create_commit(github: GitHub, new: NewCommit) -> Exchange[str]:
    """Return the SHA of the commit made."""
    body: dict[str, Any] = {"tree": new.tree, "parents": list(new.parents), "message": new.message}
    if new.author and new.committer:
        body |= {"author": new.author.as_json(), "committer": new.committer.as_json()}
    answer = yield Call("POST", f"{github.repository}/git/commits", body=body)
    return str(answer.body["sha"])


def create_branch(github: GitHub, branch: str, commit: str) -> Exchange[str]:
    """Make a branch; return why GitHub refuses that (somebody made it meanwhile), else an empty text."""
    body = {"ref": f"refs/heads/{branch}", "sha": commit}
    place = f"{github.repository}/git/refs"
    answer = yield Call("POST", place, body=body, reads=frozenset([422]))
    return _refusal(answer)


def update_branch(github: GitHub, branch: str, commit: str, *, force: bool) -> Exchange[str]:
    """Move a branch; return why GitHub refuses that (somebody moved it meanwhile), else an empty text."""
    body = {"sha": commit, "force": force}
    place = f"{github.repository}/git/refs/heads/{quote(branch)}"
    answer = yield Call("PATCH", place, body=body, reads=frozenset([422]))
    return _refusal(answer)


def delete_ref(github: GitHub, ref: str) -> Exchange[None]:
    """Delete `ref` (``refs/…``), which may be gone already."""
    place = f"{github.repository}/git/{quote(ref)}"
    yield Call("DELETE", place, reads=frozenset([404, 422]))


def _refusal(answer: Answer) -> str:
    return (answer.message or "no reason given") if answer.status == 422 else ""
