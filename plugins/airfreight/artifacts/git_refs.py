"""What a Git server shows of a repository: its branches and tags, read with one `ls-remote`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from airfreight.artifacts.git import DebugLog, GitClient
from airfreight.artifacts.git_access import GitRemote
from airfreight.artifacts.git_limits import GitLimits
from airfreight.errors import ArtifactError
from airfreight.model.patterns import sound

MOST_REFS = 200_000
"""Branches and tags that a repository may have: each poll reads and keeps them all."""

_BRANCH, _TAG, _PEELED = "refs/heads/", "refs/tags/", "^{}"
_LINE = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64})\t(\S+)")


@dataclass(frozen=True)
class RemoteRefs:
    """The branches and tags of a repository at one moment.

    `head` is the commit of the default branch: empty where there is none yet, or where nobody asked. `branches` maps a
    name to its commit, `tags` to the id of what the tag is and the id of what it finally points to, in byte order of
    the names. `tags_digest` changes when any tag does.
    """

    head: str
    branches: Mapping[str, str]
    tags: Mapping[str, Sequence[str]]
    tags_digest: str

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON; not a copy, which would hold up the event loop for 10,000 tags."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> RemoteRefs:
        """Read what `to_json` wrote."""
        return cls(**document)


def list_refs(
    remote: GitRemote, log: DebugLog, limits: GitLimits, *, with_head: bool
) -> RemoteRefs:
    """Ask the server; raises ArtifactError.

    `with_head` also asks for the default branch. It makes servers list every other ref too, such as those of pull
    requests, which git then leaves out: so only for who needs it.
    """
    git = GitClient(Path("/"), log, remote, limits=limits)
    kinds = () if with_head else ("--heads", "--tags")
    patterns = ("HEAD", f"{_BRANCH}*", f"{_TAG}*") if with_head else ()
    listing = git.run("ls-remote", "--quiet", *kinds, "--", remote.url, *patterns)
    return parse_refs(listing)


def parse_refs(listing: str) -> RemoteRefs:
    """Read the output of `git ls-remote`; raises ArtifactError where it is none, or has too many refs."""
    lines = sound(listing).split("\n") if listing else []
    if len(lines) > 2 * MOST_REFS:
        raise ArtifactError(f"the repository has more than {MOST_REFS} branches and tags")
    head = ""
    branches: dict[str, str] = {}
    tags: dict[str, list[str]] = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise ArtifactError(f"the server lists refs in a form that is not Git's: {line[:80]!r}")
        value, name = match.groups()
        if name == "HEAD":
            head = value
        elif name.startswith(_BRANCH):
            branches[name.removeprefix(_BRANCH)] = value
        elif name.startswith(_TAG):
            _add_tag(tags, name.removeprefix(_TAG), value)
    ordered = dict(sorted(tags.items(), key=lambda item: item[0].encode()))
    return RemoteRefs(head, branches, ordered, _digest(ordered.items()))


def _add_tag(tags: dict[str, list[str]], name: str, value: str) -> None:
    if name.endswith(_PEELED):
        own = name.removesuffix(_PEELED)
        tags[own] = [tags[own][0] if own in tags else "", value]
    else:
        tags[name] = [value, value]


def _digest(tags: Iterable[tuple[str, Sequence[str]]]) -> str:
    digest = hashlib.sha256()
    for name, ids in tags:
        digest.update(f"{name} {ids[0]} {ids[1]}\n".encode())
    return digest.hexdigest()
