"""Which commits of a repository a subscription selects, and in what order (`kargo.md` §4.5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from airfreight.artifacts.commit_rules import Candidate, CommitRules
from airfreight.artifacts.commits import Tag, read_commits, read_log, read_tags
from airfreight.artifacts.git import GitClient
from airfreight.artifacts.git_refs import RemoteRefs
from airfreight.artifacts.tags import explain_tags
from airfreight.errors import ArtifactError, VersionError
from airfreight.model.subscription import GitSubscription

_FIRST_BATCH = 20
_LARGEST_BATCH: Final = 1_000
_MOST_REJECTED = 1_000


@dataclass
class Selection:
    """What was selected, best first, and what was not, with the rule; `met` says that the walk came to its end commit.

    No more than a thousand of the latter are kept.
    """

    limit: int
    accepted: list[Candidate] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    met: bool = False

    @property
    def is_full(self) -> bool:
        """Whether nothing more is wanted."""
        return len(self.accepted) >= self.limit

    @property
    def mark(self) -> str:
        """The mark of the best; empty where nothing was selected."""
        return self.accepted[0].mark if self.accepted else ""

    def judge(self, candidate: Candidate, rules: CommitRules) -> None:
        """Take the candidate or note why not."""
        rule = rules.rule_against(candidate)
        if rule:
            self.reject(candidate.name, rule)
        else:
            self.accepted.append(candidate)

    def reject(self, name: str, rule: str) -> None:
        """Note that a rule drops `name`."""
        if len(self.rejected) < _MOST_REJECTED:
            self.rejected.append((name, rule))


def select_from_branch(
    git: GitClient, tip: str, rules: CommitRules, limit: int, *, until: str = ""
) -> Selection:
    """Return the newest commits of the branch that ends at `tip`, as its first parents tell them.

    The walk ends before the commit `until`, and at the first one from before `since`. Raises StaleMirrorError where
    `tip` is not there.
    """
    selection, size = Selection(limit), _FIRST_BATCH
    while tip:
        for commit in read_log(git, tip, size, paths=rules.needs_paths):
            candidate = Candidate(commit)
            selection.met = commit.id == until
            if selection.met or rules.is_too_old(candidate):
                return selection
            selection.judge(candidate, rules)
            if selection.is_full:
                return selection
            tip = commit.first_parent
        size = min(4 * size, _LARGEST_BATCH)
    return selection


def select_tags_of(
    git: GitClient, refs: RemoteRefs, subscription: GitSubscription, rules: CommitRules, limit: int
) -> Selection:
    """Return the commits behind the tags that the subscription selects.

    Raises ArtifactError for a rule that cannot be applied, StaleMirrorError where a tag is not there.
    """
    strategy = subscription.commit_selection_strategy
    try:
        names, dropped = explain_tags(
            refs.tags,
            strategy="Lexical" if strategy == "NewestTag" else strategy,
            constraint=subscription.semver_constraint,
            strict=subscription.strict_semvers,
            allow=subscription.allow_tags_regexes,
            ignore=subscription.ignore_tags_regexes,
        )
    except VersionError as error:
        raise ArtifactError(f"semverConstraint: {error}") from None
    selection = Selection(limit)
    for name, rule in dropped:
        selection.reject(name, rule)
    batches = _newest(git, refs, names) if strategy == "NewestTag" else _in_order(git, refs, names)
    for tags in batches:
        _judge_tags(git, tags, rules, selection)
        if selection.is_full:
            break
    return selection


def _judge_tags(git: GitClient, tags: list[Tag], rules: CommitRules, selection: Selection) -> None:
    commits = read_commits(git, (tag.commit_id for tag in tags), paths=rules.needs_paths)
    for tag in tags:
        if selection.is_full:
            return
        commit = commits.get(tag.commit_id)
        if commit is None:
            selection.reject(tag.name, "points to no commit")
        else:
            selection.judge(Candidate(commit, tag), rules)


def _in_order(git: GitClient, refs: RemoteRefs, names: list[str]) -> Iterator[list[Tag]]:
    for start, end in _batches(len(names)):
        yield read_tags(git, {name: refs.tags[name] for name in names[start:end]})


def _newest(git: GitClient, refs: RemoteRefs, names: list[str]) -> Iterator[list[Tag]]:
    tags = read_tags(git, {name: refs.tags[name] for name in reversed(names)})
    # Of equal dates the first name in byte order is first, as `git for-each-ref` has them.
    tags.sort(key=lambda tag: tag.created_at.timestamp() if tag.created_at else 0.0, reverse=True)
    for start, end in _batches(len(tags)):
        yield tags[start:end]


def _batches(count: int) -> Iterator[tuple[int, int]]:
    start, size = 0, _FIRST_BATCH
    while start < count:
        yield start, start + size
        start, size = start + size, min(4 * size, _LARGEST_BATCH)
