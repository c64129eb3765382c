"""Reads commits and tags out of a repository on this machine, without ever asking the server for more."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from airfreight.artifacts.git import GitClient
from airfreight.artifacts.git_limits import LongOutputError
from airfreight.errors import ArtifactError
from airfreight.model.patterns import sound

_PERSON_LENGTH = 320
_FIELDS = ("%H", "%P", "%cI", "%an <%ae>", "%cn <%ce>", "%s")
_TAG_FIELDS = (
    "%(refname)",
    "%(objectname)",
    "%(objecttype)",
    "%(creatordate:iso-strict)",
    "%(taggername) %(taggeremail)",
    "%(contents:subject)",
)
_CHANGES = ("--name-only", "--no-renames", "--diff-merges=first-parent")
_TAG_ARGUMENTS = 2_000


class StaleMirrorError(ArtifactError):
    """The repository on this machine lacks what the server shows."""


class DamagedMirrorError(StaleMirrorError):
    """It lacks what it must have: no fetch can mend that."""


@dataclass(frozen=True)
class Commit:
    """A commit; `changed` are the paths that differ from its first parent, where somebody asked for them."""

    id: str
    first_parent: str
    committed_at: datetime
    author: str
    committer: str
    subject: str
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tag:
    """A tag and the commit that it finally points to; `tagger` and `annotation` are those of an annotated one."""

    name: str
    commit_id: str
    created_at: datetime | None
    tagger: str
    annotation: str


def read_log(git: GitClient, tip: str, count: int, *, paths: bool) -> list[Commit]:
    """Return `count` commits from `tip` on by first parents, or fewer where they change too many paths to be read.

    Raises StaleMirrorError where `tip` is not there.
    """
    if git.attempt("cat-file", "-e", f"{tip}^{{commit}}").status:
        raise StaleMirrorError(f"the mirror lacks the commit {tip}")
    while True:
        try:
            return _log(git, ("--first-parent", f"--max-count={count}", tip), paths)
        except LongOutputError:
            if count == 1:
                raise
            count //= 2


def read_commits(git: GitClient, ids: Iterable[str], *, paths: bool) -> dict[str, Commit]:
    """Return the commits by id; what is no commit is left out."""
    wanted = tuple(dict.fromkeys(ids))
    commits = _log_of(git, wanted, paths) if wanted else []
    return {found.id: found for found in commits}


def _log_of(git: GitClient, ids: tuple[str, ...], paths: bool) -> list[Commit]:
    try:
        return _log(git, ("--no-walk=unsorted", *ids), paths)
    except LongOutputError:
        if len(ids) == 1:
            raise
    half = len(ids) // 2
    return [*_log_of(git, ids[:half], paths), *_log_of(git, ids[half:], paths)]


def _log(git: GitClient, what: Sequence[str], paths: bool) -> list[Commit]:
    # Whoever can push names files: without a word that nobody can guess a name could pass for a commit.
    start = f"\x01{secrets.token_hex(8)}"
    form = f"--format={start}" + "".join(f"{field}%x00" for field in _FIELDS)
    changes = _CHANGES if paths else ("--no-patch",)
    outcome = git.attempt("log", "-z", "--no-mailmap", *changes, form, *what, "--")
    if outcome.status:
        raise DamagedMirrorError(f"the mirror lacks commits: {outcome.stderr.strip()[-200:]}")
    return [_commit(record) for record in outcome.stdout.split(start)[1:]]


def _commit(record: str) -> Commit:
    *fields, changed = record.split("\0", len(_FIELDS))
    id_, parents, date, author, committer, subject = map(sound, fields)
    return Commit(
        id=id_,
        first_parent=parents.partition(" ")[0],
        committed_at=_moment(date),
        author=author[:_PERSON_LENGTH],
        committer=committer[:_PERSON_LENGTH],
        subject=subject,
        changed=tuple(_paths(changed)),
    )


def _paths(text: str) -> Iterator[str]:
    names = text.removeprefix("\0").removeprefix("\n").split("\0")
    return (name for name in names if name)


def read_tags(git: GitClient, shown: Mapping[str, Sequence[str]]) -> list[Tag]:
    """Return these tags, by name → id of the tag and of what it points to, in their order.

    Raises StaleMirrorError where the repository has one of them otherwise, or not at all.
    """
    if not shown:
        return []
    names = (
        [f"refs/tags/{name}" for name in shown] if len(shown) <= _TAG_ARGUMENTS else ["refs/tags/"]
    )
    form = "--format=" + "%00".join(_TAG_FIELDS)
    outcome = git.attempt("for-each-ref", form, *names)
    if outcome.status:
        raise DamagedMirrorError(
            f"the mirror's tags cannot be read: {outcome.stderr.strip()[-200:]}"
        )
    rows = (sound(line).split("\0") for line in outcome.stdout.split("\n") if line)
    found = {row[0].removeprefix("refs/tags/"): row[1:] for row in rows}
    return [_tag(name, ids, found.get(name)) for name, ids in shown.items()]


def _tag(name: str, ids: Sequence[str], row: list[str] | None) -> Tag:
    if row is None or row[0] != ids[0]:
        raise StaleMirrorError(f"the mirror has another tag {name!r}")
    _, kind, date, tagger, annotation = row
    return Tag(
        name=name,
        commit_id=ids[1],
        created_at=_moment(date) if date else None,
        tagger=tagger[:_PERSON_LENGTH] if kind == "tag" else "",
        annotation=annotation if kind == "tag" else "",
    )


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:  # whoever commits may write any year and any zone
        return datetime.max.replace(tzinfo=UTC)
