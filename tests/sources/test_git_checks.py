"""What is wrong with a git subscription is told when its manifest is read."""

from __future__ import annotations

from typing import Any

import pytest

from airfreight.model.subscription import GitSubscription, Subscription
from airfreight.sources.base import Fault
from airfreight.sources.catalogue import faults_of, source_of
from airfreight.sources.git import GitSource, check

URL = "https://git.example.com/shop/app.git"
FORM = "expected https://…, http://…, ssh://… or user@host:path"

FAULTS = [
    ({"repoURL": "file:///srv/app"}, ("repoURL",), f"repository URL 'file:///srv/app' is not accepted: {FORM}"),
    ({"repoURL": "ext::sh -c id"}, ("repoURL",), f"repository URL 'ext::sh -c id' is not accepted: {FORM}"),
    (
        {"repoURL": "https://u:p@git.example.com/app"},
        ("repoURL",),
        "the repository URL holds a password: take it out and give the login as a git credential",
    ),
    ({"branch": "-f"}, ("branch",), "'-f' is not a name that a branch can have"),
    (
        {"commitSelectionStrategy": "SemVer", "semverConstraint": ">>1"},
        ("semverConstraint",),
        None,
    ),
    ({"expressionFilter": "subject =="}, ("expressionFilter",), None),
    ({"allowTagsRegexes": ["^v", "("]}, ("allowTagsRegexes", 1), "bad regular expression: missing ): ("),
    ({"ignoreTagsRegexes": ["["]}, ("ignoreTagsRegexes", 0), "bad regular expression: missing ]: ["),
    ({"includePaths": ["a", "regex:("]}, ("includePaths", 1), "bad regular expression '(': missing ): ("),
    ({"excludePaths": ["glob:["]}, ("excludePaths", 0), None),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "place", "message"), FAULTS)
def test_a_fault_is_told_at_its_field(
    fields: dict[str, Any], place: tuple[str | int, ...], message: str | None
) -> None:
    (fault,) = check(GitSubscription.model_validate({"repoURL": URL, **fields}))
    assert fault.field == place
    if message is None:
        assert fault.message
    else:
        assert fault == Fault(place, message)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"repoURL": "git@git.example.com:shop/app.git"},
        {"branch": "release/1.x", "semverConstraint": "nonsense", "since": "2024-01-01T00:00:00Z"},
        {"commitSelectionStrategy": "NewestTag", "branch": "-nonsense"},
        {"includePaths": ["", "a..b", "glob:**/*.py", "regex:^a"], "expressionFilter": "x.y"},
    ],
)
def test_what_does_not_matter_or_is_well_formed_is_no_fault(fields: dict[str, Any]) -> None:
    assert list(check(GitSubscription.model_validate({"repoURL": URL, **fields}))) == []


def test_the_catalogue_knows_git() -> None:
    broken = GitSubscription.model_validate({"repoURL": URL, "branch": "-"})
    subscription = Subscription(name="app", git=broken)
    assert isinstance(source_of(subscription), GitSource)
    assert [fault.field for fault in faults_of(subscription)] == [("branch",)]


def test_subscriptions_share_a_poll_where_it_shows_the_same() -> None:
    def key(**fields: Any) -> Any:
        return GitSource(
            GitSubscription.model_validate({"repoURL": URL, **fields}), ""
        ).stream_key()

    assert key(branch="a") == key(branch="b", includePaths=["x"])
    assert key(branch="a") == key(commitSelectionStrategy="SemVer")
    assert key(branch="a") != key()
    assert key() != key(insecureSkipTLSVerify=True)
