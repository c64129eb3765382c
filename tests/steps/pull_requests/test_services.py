"""Which service a repository is on, where its API is, what it is asked and how its documented answers read."""

from __future__ import annotations

from typing import Any

import pytest

from airfreight.artifacts.hosting.protocol import (
    Answer,
    Call,
    NewPullRequest,
    Pause,
    PullRequest,
    Readiness,
)
from airfreight.artifacts.hosting.services import service_of
from airfreight.errors import ArtifactError
from airfreight.model.credential import Credential
from tests.steps.pull_requests.play import BRANCHES, HEAD, MERGE, NUMBERS, body, play, service

SERVICES = sorted(NUMBERS)
VERSION = ("api-version", "7.1")


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


def get(name: str, state: str, /, **changes: Any) -> PullRequest:
    answers = [Answer(body=body(f"{name}/{state}", **changes))]
    if name == "bitbucket" and state == "merged":
        answers.append(Answer(body=body("bitbucket/commit")))
    return play(service(name).get(NUMBERS[name]), *answers)[0]


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


FINDS = {
    "github": Call(
        "GET",
        "/repos/octocat/Hello-World/pulls",
        (
            ("state", "all"),
            ("head", "octocat:new-topic"),
            ("base", "main"),
            ("per_page", "100"),
            ("page", "1"),
        ),
    ),
    "gitlab": Call(
        "GET",
        "/projects/my-group%2Fmy-project/merge_requests",
        (
            ("state", "all"),
            ("source_branch", "test1"),
            ("target_branch", "main"),
            ("per_page", "100"),
            ("page", "1"),
        ),
    ),
    "gitea": Call(
        "GET",
        "/repos/shop/gitops/pulls",
        (("state", "all"), ("sort", "recentupdate"), ("limit", "50"), ("page", "1")),
    ),
    "bitbucket": Call(
        "GET",
        "/repositories/my-workspace/my-repository/pullrequests",
        (
            ("q", 'source.branch.name = "staging" AND destination.branch.name = "main"'),
            ("state", "OPEN"),
            ("state", "MERGED"),
            ("state", "DECLINED"),
            ("state", "SUPERSEDED"),
            ("pagelen", "50"),
            ("page", "1"),
        ),
    ),
    "azure": Call(
        "GET",
        "/Fabrikam/_apis/git/repositories/2016_10_31/pullrequests",
        (
            VERSION,
            ("searchCriteria.status", "all"),
            ("searchCriteria.sourceRefName", "refs/heads/npaulk/my_work"),
            ("searchCriteria.targetRefName", "refs/heads/new_feature"),
            ("$top", "100"),
            ("$skip", "0"),
        ),
    ),
}


@pytest.mark.parametrize("name", SERVICES)
def test_pull_requests_between_two_branches_are_found_in_any_state(name: str) -> None:
    exchange = service(name).find(*BRANCHES[name])
    found, asked = play(exchange, Answer(body=body(f"{name}/list")))
    assert asked == [FINDS[name]]
    assert [one.number for one in found] == [NUMBERS[name]]


@pytest.mark.parametrize("name", ["github", "gitlab", "gitea"])
def test_pages_are_turned_by_number_and_no_named_address_is_followed(name: str) -> None:
    more = Answer(
        body=body(f"{name}/list"),
        headers={"link": '<https://evil.example/?page=2>; rel="next", <https://x/>; rel="last"'},
    )
    last = Answer(body=body(f"{name}/list"))
    found, asked = play(service(name).find(*BRANCHES[name]), more, last)
    assert len(found) == 2
    assert [call.query[-1] for call in asked if isinstance(call, Call)] == [
        ("page", "1"),
        ("page", "2"),
    ]


def test_a_service_that_never_ends_its_pages_is_left_after_twenty() -> None:
    endless = Answer(body=[], headers={"link": '<x>; rel="next"'})
    _, asked = play(service("github").find("a", "b"), *[endless] * 20)
    assert len(asked) == 20


def test_pages_of_bitbucket_and_azure_end_with_the_last_full_one() -> None:
    page = body("bitbucket/list", next="https://evil.example/?page=2")
    found, _ = play(
        service("bitbucket").find("a", "b"), Answer(body=page), Answer(body=body("bitbucket/list"))
    )
    assert len(found) == 2
    full = {"value": [body("azure/open")] * 100}
    found, asked = play(
        service("azure").find("a", "b"), Answer(body=full), Answer(body=body("azure/list"))
    )
    assert len(found) == 101
    assert [call.query[-1] for call in asked if isinstance(call, Call)] == [
        ("$skip", "0"),
        ("$skip", "100"),
    ]


NEW = NewPullRequest("stage/dev", "main", "Promote", "All of it", ("kargo", "dev"))
TEXTS = {"title": "Promote", "description": "All of it"}
GITHUB_TEXTS = {"title": "Promote", "body": "All of it", "head": "stage/dev", "base": "main"}
CREATES = {
    "github": Call(
        "POST",
        "/repos/octocat/Hello-World/pulls",
        body={**GITHUB_TEXTS, "maintainer_can_modify": False},
        reads=frozenset([422]),
    ),
    "gitlab": Call(
        "POST",
        "/projects/my-group%2Fmy-project/merge_requests",
        body={
            **TEXTS,
            "source_branch": "stage/dev",
            "target_branch": "main",
            "labels": "kargo,dev",
        },
        reads=frozenset([409]),
    ),
    "gitea": Call("POST", "/repos/shop/gitops/pulls", body=GITHUB_TEXTS, reads=frozenset([409])),
    "bitbucket": Call(
        "POST",
        "/repositories/my-workspace/my-repository/pullrequests",
        body={
            **TEXTS,
            "source": {"branch": {"name": "stage/dev"}},
            "destination": {"branch": {"name": "main"}},
        },
        reads=frozenset([409]),
    ),
    "azure": Call(
        "POST",
        "/Fabrikam/_apis/git/repositories/2016_10_31/pullrequests",
        (VERSION,),
        body={
            **TEXTS,
            "sourceRefName": "refs/heads/stage/dev",
            "targetRefName": "refs/heads/main",
            "labels": [{"name": "kargo"}, {"name": "dev"}],
        },
        reads=frozenset([409]),
    ),
}


@pytest.mark.parametrize("name", SERVICES)
def test_a_pull_request_is_opened_with_one_request(name: str) -> None:
    made, asked = play(service(name).create(NEW), Answer(201, body(f"{name}/open")))
    assert asked == [CREATES[name]]
    assert made is not None
    assert made.number == NUMBERS[name]


@pytest.mark.parametrize(
    ("name", "status"), [("github", 422), ("gitlab", 409), ("gitea", 409), ("azure", 409)]
)
def test_that_one_is_open_already_is_no_error(name: str, status: int) -> None:
    answer = Answer(status, body(f"{name}/exists"))
    assert play(service(name).create(NEW), answer)[0] is None


def test_another_reason_not_to_open_one_is_told() -> None:
    with pytest.raises(ArtifactError, match="No commits between main and new-topic"):
        play(service("github").create(NEW), Answer(422, body("github/no_commits")))


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        (
            "github",
            [("POST", "/repos/octocat/Hello-World/issues/1347/labels", {"labels": ["a", "b"]})],
        ),
        (
            "gitlab",
            [
                (
                    "PUT",
                    "/projects/my-group%2Fmy-project/merge_requests/14",
                    {"add_labels": "a,b"},
                )
            ],
        ),
        ("gitea", [("POST", "/repos/shop/gitops/issues/7/labels", {"labels": ["a", "b"]})]),
        ("bitbucket", []),
        (
            "azure",
            [
                (
                    "POST",
                    "/Fabrikam/_apis/git/repositories/2016_10_31/pullrequests/22/labels",
                    {"name": label},
                )
                for label in "ab"
            ],
        ),
    ],
)
def test_labels_are_added_to_those_that_are_there(name: str, calls: list[Any]) -> None:
    one = get(name, "open")
    _, asked = play(service(name).label(one, ("a", "b")), *[Answer()] * len(calls))
    made = [(call.method, call.path, call.body) for call in asked if isinstance(call, Call)]
    assert made == calls
    assert service(name).has_labels == bool(calls)


MERGED_AT_ONCE = {
    "github": (
        "squash",
        [Answer(body=body("github/merge")), Answer(body=body("github/merged"))],
        ("PUT", "/repos/octocat/Hello-World/pulls/1347/merge", {"merge_method": "squash"}),
    ),
    "gitlab": (
        "squash",
        [Answer(body=body("gitlab/merged"))],
        ("PUT", "/projects/my-group%2Fmy-project/merge_requests/14/merge", {"squash": True}),
    ),
    "gitea": (
        "rebase-merge",
        [Answer(), Answer(body=body("gitea/merged"))],
        ("POST", "/repos/shop/gitops/pulls/7/merge", {"Do": "rebase-merge"}),
    ),
    "bitbucket": (
        "squash",
        [
            Answer(body=body("bitbucket/strategies")),
            Answer(body=body("bitbucket/merged")),
            Answer(body=body("bitbucket/commit")),
        ],
        (
            "POST",
            "/repositories/my-workspace/my-repository/pullrequests/108/merge",
            {"merge_strategy": "squash"},
        ),
    ),
    "azure": (
        "rebaseMerge",
        [Answer(body=body("azure/merged"))],
        (
            "PATCH",
            "/Fabrikam/_apis/git/repositories/2016_10_31/pullrequests/22",
            {
                "status": "completed",
                "lastMergeSourceCommit": {"commitId": HEAD},
                "completionOptions": {"mergeStrategy": "rebaseMerge"},
            },
        ),
    ),
}


@pytest.mark.parametrize("name", SERVICES)
def test_a_merge_names_its_method_and_gives_the_full_sha(name: str) -> None:
    method, answers, expected = MERGED_AT_ONCE[name]
    outcome, asked = play(service(name).merge(get(name, "open"), method), *answers)
    writes = [c for c in asked if isinstance(c, Call) and c.method != "GET"]
    assert [(call.method, call.path, call.body) for call in writes] == [expected]
    assert outcome.pull_request is not None
    assert outcome.pull_request.merge_commit == MERGE


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("github", {}),
        ("gitlab", {}),
        ("gitea", {"Do": "merge"}),
        ("bitbucket", {}),
        ("azure", {"status": "completed", "lastMergeSourceCommit": {"commitId": HEAD}}),
    ],
)
def test_without_a_method_the_services_own_default_holds(name: str, sent: dict[str, Any]) -> None:
    _, answers, _ = MERGED_AT_ONCE[name]
    kept = answers[1:] if name == "bitbucket" else answers
    _, asked = play(service(name).merge(get(name, "open"), None), *kept)
    writes = [c for c in asked if isinstance(c, Call) and c.method != "GET"]
    assert [call.body for call in writes] == [sent]


@pytest.mark.parametrize(
    ("message", "state", "obstacle"),
    [
        ("Base branch was modified. Review and try the merge again.", "clean", "Base branch"),
        ("Pull Request is not mergeable", "clean", "not mergeable"),
        ("At least 1 approving review is required.", "blocked", "approving review"),
        ("2 of 2 required status checks are expected.", "behind", "status checks"),
        ("At least 1 approving review is required.", "clean", None),
        ("Merge commits are not allowed on this repository.", "blocked", None),
        ("Squash merges are not allowed on this repository.", "blocked", None),
        ("Rebase merges are not allowed on this repository.", "clean", None),
        ("Draft pull requests cannot be merged", "clean", None),
    ],
)
def test_github_tells_by_its_words_whether_a_refused_merge_may_work_later(
    message: str, state: str, obstacle: str | None
) -> None:
    one = get("github", "open", mergeable_state=state)
    exchange = service("github").merge(one, None)
    refused = Answer(405, {"message": message})
    if obstacle is None:
        with pytest.raises(ArtifactError, match="github refuses the merge"):
            play(exchange, refused)
        return
    outcome, _ = play(exchange, refused)
    assert outcome.pull_request is None
    assert obstacle in outcome.obstacle


def test_azure_is_looked_at_each_second_until_the_merge_is_done() -> None:
    still = Answer(body=body("azure/open"))
    done = Answer(body=body("azure/merged"))
    outcome, asked = play(service("azure").merge(get("azure", "open"), None), still, still, done)
    assert outcome.pull_request is not None
    assert [step for step in asked if isinstance(step, Pause)] == [Pause(1), Pause(1)]


def test_azure_is_looked_at_ten_times_and_then_later() -> None:
    still = [Answer(body=body("azure/open"))] * 11
    outcome, asked = play(service("azure").merge(get("azure", "open"), None), *still)
    assert outcome.pull_request is None
    assert sum(isinstance(step, Pause) for step in asked) == 10


def test_a_merge_that_bitbucket_does_in_the_background_is_awaited() -> None:
    exchange = service("bitbucket").merge(get("bitbucket", "open"), None)
    outcome, asked = play(
        exchange,
        Answer(202),
        Answer(body=body("bitbucket/open")),
        Answer(body=body("bitbucket/merged")),
        Answer(body=body("bitbucket/commit")),
    )
    assert outcome.pull_request is not None
    assert asked.count(Pause(1)) == 2
    waiting = [Answer(body=body("bitbucket/open"))] * 10
    exchange = service("bitbucket").merge(get("bitbucket", "open"), None)
    assert play(exchange, Answer(202), *waiting)[0].pull_request is None


@pytest.mark.parametrize(
    ("offer", "refused"), [("strategies", True), ("no_strategies", False)], ids=str
)
def test_a_method_is_compared_with_what_the_target_branch_on_bitbucket_offers(
    offer: str, refused: bool
) -> None:
    exchange = service("bitbucket").merge(get("bitbucket", "open"), "rebase_merge")
    answers = [Answer(body=body(f"bitbucket/{offer}"))]
    if refused:
        with pytest.raises(ArtifactError, match="expected one of merge_commit, squash"):
            play(exchange, *answers)
        return
    answers += [Answer(body=body("bitbucket/merged")), Answer(body=body("bitbucket/commit"))]
    assert play(exchange, *answers)[0].pull_request is not None


def test_gitlab_may_take_a_merge_on_and_do_it_later() -> None:
    exchange = service("gitlab").merge(get("gitlab", "open"), None)
    outcome, _ = play(exchange, Answer(body=body("gitlab/open")))
    assert outcome.pull_request is None
    assert "not done it yet" in outcome.obstacle
