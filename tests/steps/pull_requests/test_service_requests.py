"""What each service is asked to find, open, label and merge a pull request, and what its answers mean."""

from __future__ import annotations

from typing import Any

import pytest

from airfreight.artifacts.hosting.protocol import Answer, Call, NewPullRequest, Pause
from airfreight.errors import ArtifactError
from tests.steps.pull_requests.play import BRANCHES, HEAD, MERGE, NUMBERS, body, get, play, service

SERVICES = sorted(NUMBERS)
VERSION = ("api-version", "7.1")


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
