"""Git repositories as a source (`kargo.md` §1.4, §4.5): a poll is one `ls-remote`, a change one fetch for everybody."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from datetime import datetime
from typing import Any

from airfreight.artifacts.commit_rules import Candidate, CommitRules
from airfreight.artifacts.commit_selection import Selection, select_from_branch, select_tags_of
from airfreight.artifacts.git import GitClient
from airfreight.artifacts.git_refs import RemoteRefs
from airfreight.artifacts.git_urls import check_ref_name, check_repository_url
from airfreight.artifacts.semver import Constraint
from airfreight.errors import ArtifactError, ExpressionError, NotFoundError, VersionError
from airfreight.expr.program import compile_expression
from airfreight.model.freight import GitCommit
from airfreight.model.patterns import path_pattern, pattern_fault
from airfreight.model.subscription import GitSubscription
from airfreight.sources.backoff import Backoff
from airfreight.sources.base import Access, Discovered, Fault, Found, Rejected
from airfreight.sources.git_marks import GitMarks, KnownMark
from airfreight.sources.git_repository import LOCAL, GitRepository

_SUBJECT_LENGTH = 80
_WATCHED = Backoff()


class GitSource:
    """A git subscription.

    `blobless` changes nothing: what is kept here never holds file contents.
    """

    credential_kind = "git"

    def __init__(
        self, subscription: GitSubscription, name: str, backoff: Backoff = _WATCHED
    ) -> None:
        self.name = name
        self._subscription = subscription
        self._backoff = backoff

    @property
    def url(self) -> str:
        """The repository's address, as the manifest has it."""
        return self._subscription.repo_url

    @property
    def credential_url(self) -> str:
        """The same: by it a login is found."""
        return self.url

    @property
    def discovery_limit(self) -> int:
        """The most commits that one look returns, where nobody asks for fewer."""
        return self._subscription.discovery_limit

    def stream_key(self) -> Hashable:
        """Return what `poll` depends on."""
        skips_tls = self._subscription.insecure_skip_tls_verify
        return "git", self.url, skips_tls, self._follows_default_branch

    async def poll(self, access: Access) -> Any:
        """Return the branches and tags of the repository as JSON; see `RemoteRefs`."""
        key = (self.stream_key(), access.credential)
        async with self._backoff.attempt(key, most=access.settings.repository_backoff):
            refs = await self._repository(access).look()
        return refs.to_json()

    async def mark(self, seen: Any, access: Access) -> str:
        """Return the id of the commit that would be taken, behind its tag's name where one leads to it.

        Asks the server only where a change concerns this subscription and nobody has fetched it yet. Raises
        ArtifactError.
        """
        key = (self._subscription, access.credential)
        async with self._backoff.attempt(key, most=access.settings.repository_backoff):
            return await self._mark(RemoteRefs.from_json(seen), self._repository(access), access)

    async def discover(self, access: Access, *, limit: int, as_of: datetime | None) -> Found:
        """Look thoroughly; `as_of` goes by the committer's date on a branch, by the creator's of tags."""
        repository, limit = self._repository(access), min(limit, self.discovery_limit)
        rules = CommitRules(self._subscription, access.settings.expression_limits, as_of)
        refs, selection = await self._select(await repository.look(), repository, rules, limit)
        mark = ""
        if as_of is None:
            mark = selection.mark
            known = KnownMark(self._concern(refs), mark)
            await repository.blocking(LOCAL, lambda: self._marks(repository).write(known))
        return Found(
            tuple(self._discovered(candidate) for candidate in selection.accepted),
            mark,
            tuple(Rejected(name, rule) for name, rule in selection.rejected),
        )

    async def _select(
        self, refs: RemoteRefs, repository: GitRepository, rules: CommitRules, limit: int
    ) -> tuple[RemoteRefs, Selection]:
        if not self._concern(refs):
            return refs, Selection(limit)
        return await repository.read(
            refs, lambda git, shown: self._selection(git, shown, rules, limit)
        )

    async def _mark(self, refs: RemoteRefs, repository: GitRepository, access: Access) -> str:
        concern, marks = self._concern(refs), self._marks(repository)
        if not concern:
            return ""
        rules = CommitRules(self._subscription, access.settings.expression_limits)
        known = (
            None if rules.may_change_by_themselves else await repository.blocking(LOCAL, marks.read)
        )
        if known and known.concern == concern:
            await repository.touch()
            return known.mark
        until = known or KnownMark("", "")

        def read(git: GitClient, shown: RemoteRefs) -> str:
            selection = self._selection(git, shown, rules, 1, until.concern)
            return until.mark if selection.met else selection.mark

        refs, mark = await repository.read(refs, read)
        new = KnownMark(self._concern(refs), mark)
        await repository.blocking(LOCAL, lambda: marks.write(new))
        return mark

    def _selection(
        self, git: GitClient, refs: RemoteRefs, rules: CommitRules, limit: int, until: str = ""
    ) -> Selection:
        if self._follows_branch:
            return select_from_branch(git, self._concern(refs), rules, limit, until=until)
        return select_tags_of(git, refs, self._subscription, rules, limit)

    def _concern(self, refs: RemoteRefs) -> str:
        """Return what of the refs concerns this subscription; empty where that is nothing at all."""
        if not self._follows_branch:
            return refs.tags_digest if refs.tags else ""
        if not refs.branches and self._follows_default_branch:
            return ""
        branch = self._subscription.branch
        tip = refs.branches.get(branch, "") if branch else refs.head
        if not tip:
            hint = "" if refs.branches else ": the repository is empty"
            raise NotFoundError(
                f"there is no branch {branch!r}{hint}"
                if branch
                else "there is no default branch; say which one with branch"
            )
        return tip

    @property
    def _follows_branch(self) -> bool:
        return self._subscription.commit_selection_strategy == "NewestFromBranch"

    @property
    def _follows_default_branch(self) -> bool:
        return self._follows_branch and not self._subscription.branch

    def _repository(self, access: Access) -> GitRepository:
        verify_tls = not self._subscription.insecure_skip_tls_verify
        return GitRepository(
            self.url, access, verify_tls=verify_tls, with_head=self._follows_default_branch
        )

    def _marks(self, repository: GitRepository) -> GitMarks:
        return GitMarks.of(self._subscription, repository.marks)

    def _discovered(self, candidate: Candidate) -> Discovered:
        commit = candidate.commit
        artifact = GitCommit(
            repo_url=self.url,
            id=commit.id,
            branch=self._subscription.branch if self._follows_branch else "",
            tag=candidate.tag.name if candidate.tag else "",
            message=_shortened(commit.subject),
            author=commit.author,
            committer=commit.committer,
            subscription_name=self.name,
        )
        return Discovered(artifact, candidate.created_at)


def check(subscription: GitSubscription) -> Iterator[Fault]:
    """Yield what is wrong with a subscription beyond its shape."""
    strategy = subscription.commit_selection_strategy
    try:
        check_repository_url(subscription.repo_url)
    except ArtifactError as error:
        yield Fault(("repoURL",), str(error))
    if strategy == "NewestFromBranch" and subscription.branch:
        try:
            check_ref_name(subscription.branch)
        except ArtifactError as error:
            yield Fault(("branch",), str(error))
    if strategy == "SemVer" and subscription.semver_constraint:
        try:
            Constraint.parse(subscription.semver_constraint)
        except VersionError as error:
            yield Fault(("semverConstraint",), error.message, offset=error.offset)
    if subscription.expression_filter:
        try:
            compile_expression(subscription.expression_filter)
        except ExpressionError as error:
            yield Fault(("expressionFilter",), error.message, offset=error.offset)
    yield from _check_patterns(subscription)


def _check_patterns(subscription: GitSubscription) -> Iterator[Fault]:
    for name, patterns in (
        ("allowTagsRegexes", subscription.allow_tags_regexes),
        ("ignoreTagsRegexes", subscription.ignore_tags_regexes),
    ):
        for index, pattern in enumerate(patterns):
            fault = pattern_fault(pattern)
            if fault:
                yield Fault((name, index), f"bad regular expression: {fault}")
    for name, patterns in (
        ("includePaths", subscription.include_paths),
        ("excludePaths", subscription.exclude_paths),
    ):
        for index, pattern in enumerate(patterns):
            try:
                path_pattern(pattern)
            except ValueError as error:
                yield Fault((name, index), str(error))


def _shortened(subject: str) -> str:
    if len(subject) <= _SUBJECT_LENGTH:
        return subject
    return f"{subject[: _SUBJECT_LENGTH - 3]}..."
