"""Which commits a Git subscription takes (`kargo.md` §4.5): `since`, then expressionFilter, then paths."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from airfreight.artifacts.commits import Commit, Tag
from airfreight.errors import ArtifactError, ExpressionError
from airfreight.expr.gotime import from_datetime
from airfreight.expr.limits import Limits
from airfreight.expr.program import Program, compile_expression
from airfreight.expr.values import parse_bool, type_name
from airfreight.model.patterns import Matcher, path_pattern
from airfreight.model.subscription import GitSubscription

# Of processor time, for all commits of one look.
_FILTER_SECONDS = 60.0


@dataclass(frozen=True)
class Candidate:
    """A commit that a subscription may take, and the tag that led to it."""

    commit: Commit
    tag: Tag | None = None

    @property
    def name(self) -> str:
        """What people call it."""
        return self.tag.name if self.tag else self.commit.id

    @property
    def mark(self) -> str:
        """A short text that no other candidate of the repository has."""
        return f"{self.tag.name}@{self.commit.id}" if self.tag else self.commit.id

    @property
    def created_at(self) -> datetime:
        """When the tag was made, else when the commit was."""
        return (self.tag and self.tag.created_at) or self.commit.committed_at

    def variables(self) -> Mapping[str, Any]:
        """Return what an expressionFilter sees (`kargo.md` §3.5)."""
        commit, tag, date = self.commit, self.tag, from_datetime(self.created_at)
        shared = {
            "id": commit.id,
            "author": commit.author,
            "committer": commit.committer,
            "subject": commit.subject,
        }
        if tag is None:
            return {**shared, "commitDate": date}
        more = {"tag": tag.name, "tagger": tag.tagger, "annotation": tag.annotation}
        return {**shared, **more, "creatorDate": date}


class CommitRules:
    """The rules of one subscription for one look.

    :param limits: what the filter may cost for one commit.
    :param as_of: what was made later does not count.
    """

    def __init__(
        self,
        subscription: GitSubscription,
        limits: Limits,
        as_of: datetime | None = None,
    ) -> None:
        self._subscription = subscription
        self._as_of = as_of
        self._limits = limits
        self._spent = 0.0

    @property
    def needs_paths(self) -> bool:
        """Whether the rules look at changed paths."""
        return bool(self._subscription.include_paths or self._subscription.exclude_paths)

    @property
    def may_change_by_themselves(self) -> bool:
        """Whether they may take something else tomorrow though nothing was pushed: a filter can read the clock."""
        return "now" in self._subscription.expression_filter

    def is_too_old(self, candidate: Candidate) -> bool:
        """Say whether it is from before `since`."""
        since = self._subscription.since
        return since is not None and candidate.created_at < since

    def rule_against(self, candidate: Candidate) -> str:
        """Return the rule that drops it, empty where it is taken; raises ArtifactError for a filter that fails."""
        if self._as_of is not None and candidate.created_at > self._as_of:
            return f"made after {self._as_of.isoformat()}"
        if self.is_too_old(candidate):
            return f"older than since, {self._subscription.since}"
        if self._filter is not None and not self._passes(self._filter, candidate):
            return "expressionFilter is false"
        if self.needs_paths and not any(map(self._takes_path, candidate.commit.changed)):
            return "no changed path meets includePaths and excludePaths"
        return ""

    def _takes_path(self, path: str) -> bool:
        included = not self._include or any(matches(path) for matches in self._include)
        return included and not any(matches(path) for matches in self._exclude)

    def _passes(self, program: Program, candidate: Candidate) -> bool:
        started = time.thread_time()
        try:
            return truth(program.run(candidate.variables(), self._limits))
        except ExpressionError as error:
            raise ArtifactError(f"expressionFilter fails for {candidate.name}: {error}") from None
        finally:
            self._spend(time.thread_time() - started)

    def _spend(self, seconds: float) -> None:
        self._spent += seconds
        if self._spent > _FILTER_SECONDS:
            raise ArtifactError(
                f"expressionFilter takes more than {_FILTER_SECONDS:g} s of processor time; make it simpler, or let "
                "`since` leave old commits out"
            )

    @cached_property
    def _filter(self) -> Program | None:
        source = self._subscription.expression_filter
        try:
            return compile_expression(source, limits=self._limits) if source else None
        except ExpressionError as error:
            raise ArtifactError(f"expressionFilter: {error}") from None

    @cached_property
    def _include(self) -> Sequence[Matcher]:
        return _matchers("includePaths", self._subscription.include_paths)

    @cached_property
    def _exclude(self) -> Sequence[Matcher]:
        return _matchers("excludePaths", self._subscription.exclude_paths)


def truth(value: Any) -> bool:
    """Return a filter's result as Go's ParseBool reads it; raises ExpressionError where it is neither."""
    if isinstance(value, bool):
        return value
    text = f"{value:g}" if isinstance(value, int | float) else value
    holds = parse_bool(text) if isinstance(text, str) else None
    if holds is not None:
        return holds
    raise ExpressionError(f"expected true or false, got a value of type {type_name(value)}")


def _matchers(field: str, patterns: Sequence[str]) -> list[Matcher]:
    try:
        return [path_pattern(pattern) for pattern in patterns]
    except ValueError as error:
        raise ArtifactError(f"{field}: {error}") from None
