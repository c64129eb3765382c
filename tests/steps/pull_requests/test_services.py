"""Which service a repository is on, where its API is, what it is asked and how its documented answers read."""

from __future__ import annotations

from typing import Any

import pytest

from airfreight.artifacts.hosting.protocol import (
    Readiness,
)
from airfreight.artifacts.hosting.services import service_of
from airfreight.errors import ArtifactError
from airfreight.model.credential import Credential
from tests.steps.pull_requests.play import BRANCHES, HEAD, MERGE, NUMBERS, get, service

SERVICES = sorted(NUMBERS)


@pytest.mark.parametrize(
    ("url", "provider", "name", "base"),
    [
        ("https://github.com/o/r", None, "github", "https://api.github.com"),
        ("https://GitHub.com/o/r.git/", None, "github", "https://api.github.com"),
        ("git@github.com:o/r.git", None, "github", "https://api.github.com"),
        ("https://acme.ghe.com/o/r.git", None, "github", "https://api.acme.ghe.com"),
        (
            "https://github.acme.org:8443/o/r",
            None,
            "github",
            "https://github.acme.org:8443/api/v3",
        ),
        (
            "ssh://git@github.acme.org:2222/o/r",
            None,
            "github",
            "https://github.acme.org/api/v3",
        ),
        ("https://git.acme.org/o/r", "github", "github", "https://git.acme.org/api/v3"),
        ("https://gitlab.com/g/p.git", None, "gitlab", "https://gitlab.com/api/v4"),
        ("http://gitlab.acme.org:8080/g/s/p", None, "gitlab", "http://gitlab.acme.org:8080/api/v4"),
        ("https://git.acme.org/g/p", "gitlab", "gitlab", "https://git.acme.org/api/v4"),
        ("https://gitea.acme.org/o/r", None, "gitea", "https://gitea.acme.org/api/v1"),
        ("https://acme.org/git/o/r", "gitea", "gitea", "https://acme.org/git/api/v1"),
        ("https://bitbucket.org/w/r", None, "bitbucket", "https://api.bitbucket.org/2.0"),
        ("https://dev.azure.com/org/p/_git/r", None, "azure", "https://dev.azure.com/org"),
        ("https://me@dev.azure.com/org/p/_git/r", None, "azure", "https://dev.azure.com/org"),
        ("https://org.visualstudio.com/p/_git/r", None, "azure", "https://dev.azure.com/org"),
        (
            "https://org.visualstudio.com/DefaultCollection/p/_git/r",
            None,
            "azure",
            "https://dev.azure.com/org",
        ),
        ("https://org.visualstudio.com/_git/r", None, "azure", "https://dev.azure.com/org"),
        ("git@ssh.dev.azure.com:v3/org/p/r", None, "azure", "https://dev.azure.com/org"),
    ],
)
def test_the_service_is_known_by_provider_or_host_and_its_api_stands_at(
    url: str, provider: Any, name: str, base: str
) -> None:
    found = service_of(url, provider)
    assert (found.name, found.base_url) == (name, base)


@pytest.mark.parametrize(
    ("url", "provider", "problem"),
    [
        ("https://git.acme.org/o/r", None, "set provider to one of azure, bitbucket, gitea"),
        ("https://api.bitbucket.org.evil.com/o/r", None, "does not tell which service"),
        ("https://dev.azure.com.evil.com/o/p/_git/r", None, "does not tell which service"),
        ("https://github.com/o", None, "expected <owner>/<name> behind the host"),
        ("https://github.com/o/r/x", None, "expected <owner>/<name> behind the host"),
        ("https://gitlab.com/p", None, "expected <group>/<project> behind the host"),
        ("https://gitea.acme.org/r", None, "expected <owner>/<name> behind the host"),
        ("https://git.acme.org/p/r", "bitbucket", "Bitbucket Data Center is not supported"),
        ("https://git.acme.org/p/r", "azure", "<organization>/<project>/_git/<repository>"),
        ("https://dev.azure.com/org/p/r", None, "<organization>/<project>/_git/<repository>"),
        ("https://bot:s3cret@github.com/o/r", None, "the repository URL holds a password"),
        ("file:///etc", "github", "is not accepted"),
    ],
)
def test_a_repository_whose_api_cannot_be_found_is_refused(
    url: str, provider: Any, problem: str
) -> None:
    with pytest.raises(ArtifactError) as raised:
        service_of(url, provider)
    assert problem in str(raised.value)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "authorization"),
    [
        ("github", "Bearer t0ken"),
        ("gitlab", "Bearer t0ken"),
        ("gitea", "token t0ken"),
        ("bitbucket", "Bearer t0ken"),
        ("azure", "Basic OnQwa2Vu"),
    ],
)
def test_the_password_of_the_git_credential_is_the_token(name: str, authorization: str) -> None:
    found = service(name)
    assert found.headers(Credential("bot", "t0ken"))["Authorization"] == authorization
    assert "Authorization" not in found.headers(None)


URLS = {
    "github": "https://github.com/octocat/Hello-World/pull/1347",
    "gitlab": "https://gitlab.com/my-group/my-project/-/merge_requests/14",
    "gitea": "https://gitea.example.com/shop/gitops/pulls/7",
    "bitbucket": "https://bitbucket.org/my-workspace/my-repository/pull-requests/108",
    "azure": "https://dev.azure.com/fabrikam/Fabrikam/_git/2016_10_31/pullrequest/22",
}
LABELS = {
    "github": {"bug"},
    "gitlab": {"Community contribution", "Manage"},
    "gitea": {"kargo"},
    "bitbucket": set(),
    "azure": {"tag"},
}


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("state", ["open", "merged", "closed"])
def test_a_documented_body_reads_as_the_one_model(name: str, state: str) -> None:
    read = get(name, state)
    assert (read.number, read.url, read.state) == (NUMBERS[name], URLS[name], state)
    assert (read.source, read.target) == BRANCHES[name]
    assert read.is_of(*BRANCHES[name], HEAD)
    assert not read.is_of(*BRANCHES[name], MERGE)
    assert read.merge_commit == (MERGE if state == "merged" else "")
    assert read.labels == LABELS[name]
    if state == "open":
        assert read.readiness is Readiness.READY


@pytest.mark.parametrize(
    ("name", "changes", "readiness"),
    [
        ("github", {"mergeable_state": "clean"}, "READY"),
        ("github", {"mergeable_state": "unstable"}, "READY"),
        ("github", {"mergeable_state": "has_hooks"}, "READY"),
        ("github", {"mergeable_state": "dirty"}, "IMPOSSIBLE"),
        ("github", {"mergeable_state": "blocked"}, "BLOCKED"),
        ("github", {"mergeable_state": "behind"}, "BLOCKED"),
        ("github", {"mergeable_state": "draft"}, "WAITING"),
        ("github", {"mergeable_state": "unknown"}, "WAITING"),
        ("github", {"mergeable_state": None, "mergeable": True}, "READY"),
        ("github", {"mergeable_state": None, "mergeable": None}, "WAITING"),
        ("github", {"mergeable_state": "new", "mergeable": True, "draft": True}, "WAITING"),
        ("github", {"mergeable_state": "new", "mergeable": False}, "WAITING"),
        ("gitlab", {"detailed_merge_status": "mergeable"}, "READY"),
        ("gitlab", {"detailed_merge_status": "mergeable", "draft": True}, "WAITING"),
        ("gitlab", {"detailed_merge_status": "checking"}, "WAITING"),
        ("gitlab", {"detailed_merge_status": "ci_still_running"}, "WAITING"),
        ("gitlab", {"detailed_merge_status": "not_approved"}, "WAITING"),
        ("gitlab", {"detailed_merge_status": None}, "WAITING"),
        ("azure", {"mergeStatus": "succeeded"}, "READY"),
        ("azure", {"mergeStatus": "succeeded", "isDraft": True}, "WAITING"),
        ("azure", {"mergeStatus": "queued"}, "WAITING"),
        ("azure", {"mergeStatus": "conflicts"}, "WAITING"),
        ("azure", {"mergeStatus": "rejectedByPolicy"}, "WAITING"),
        ("azure", {"mergeStatus": None}, "WAITING"),
        ("bitbucket", {"draft": False}, "READY"),
        ("bitbucket", {"draft": True}, "WAITING"),
        ("gitea", {"mergeable": True}, "READY"),
        ("gitea", {"mergeable": False}, "WAITING"),
        ("gitea", {"mergeable": True, "draft": True}, "WAITING"),
    ],
    ids=str,
)
def test_whether_it_can_be_merged_now_is_read_by_the_provider_matrix(
    name: str, changes: dict[str, Any], readiness: str
) -> None:
    read = get(name, "open", **changes)
    assert read.readiness is Readiness[readiness]
    assert read.obstacle or readiness == "READY"


@pytest.mark.parametrize(
    ("name", "methods"),
    [
        ("github", ("merge", "squash", "rebase")),
        ("gitlab", ("merge", "squash")),
        ("azure", ("noFastForward", "rebase", "rebaseMerge", "squash")),
        (
            "bitbucket",
            (
                "merge_commit",
                "squash",
                "fast_forward",
                "squash_fast_forward",
                "rebase_fast_forward",
                "rebase_merge",
            ),
        ),
        (
            "gitea",
            ("merge", "rebase", "rebase-merge", "squash", "fast-forward-only", "manually-merged"),
        ),
    ],
)
def test_the_merge_methods_are_those_of_the_provider_matrix(
    name: str, methods: tuple[str, ...]
) -> None:
    assert service(name).merge_methods == methods


@pytest.mark.parametrize(
    ("changes", "commit"),
    [
        ({"merge_commit_sha": MERGE}, MERGE),
        ({"merge_commit_sha": None, "squash_commit_sha": "5" * 40}, "5" * 40),
        ({"merge_commit_sha": None}, HEAD),
    ],
    ids=["merge commit", "squashed", "fast-forward"],
)
def test_a_merge_on_gitlab_is_known_by_what_it_left(changes: dict[str, Any], commit: str) -> None:
    assert get("gitlab", "merged", **changes).merge_commit == commit


def test_a_locked_merge_request_is_being_merged_and_so_open() -> None:
    assert get("gitlab", "open", state="locked").state == "open"


def test_a_superseded_pull_request_is_closed() -> None:
    assert get("bitbucket", "superseded").state == "closed"
