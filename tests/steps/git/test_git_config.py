"""What the configs of the Git steps refuse, word for word."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from airfreight.artifacts.git_urls import check_ref_name, check_repository_url, commit_url
from airfreight.errors import ArtifactError, TerminalStepError
from airfreight.steps.base import PromotionStep
from airfreight.steps.git_clear import GitClearStep
from airfreight.steps.git_clone import GitCloneStep
from airfreight.steps.git_commit import GitCommitStep
from airfreight.steps.git_push import GitPushStep
from airfreight.steps.git_tag import GitTagStep
from tests.steps.git.conftest import Bench

URL = "https://git.example.com/shop/app.git"
CLONE, CLEAR, COMMIT, PUSH = GitCloneStep(), GitClearStep(), GitCommitStep(), GitPushStep()
TAG = GitTagStep()


def clone(**checkout: Any) -> dict[str, Any]:
    return {"repoURL": URL, "checkout": [{"path": "src", **checkout}]}


@pytest.mark.parametrize(
    ("step", "config", "problem"),
    [
        pytest.param(CLONE, {"checkout": [{"path": "a"}]}, "repoURL: Field required", id="no URL"),
        pytest.param(CLONE, {"repoURL": URL}, "checkout: Field required", id="no checkout"),
        pytest.param(
            CLONE,
            {"repoURL": URL, "checkout": []},
            "checkout: Value should have at least 1 item after validation, not 0",
            id="empty checkout",
        ),
        pytest.param(
            CLONE,
            clone(branch="a", tag="b"),
            "checkout.0: Value error, expected at most one of branch, commit and tag",
            id="branch and tag",
        ),
        pytest.param(
            CLONE,
            clone(create=True),
            "checkout.0: Value error, create makes a branch: say which with branch",
            id="create without branch",
        ),
        pytest.param(
            CLONE,
            clone(sparse=[]),
            "checkout.0.sparse: Tuple should have at least 1 item after validation, not 0",
            id="sparse without pattern",
        ),
        pytest.param(
            CLONE,
            {"repoURL": URL, "checkout": [{"path": "a"}, {"path": "./a/"}]},
            ": Value error, two checkouts have the path 'a'",
            id="path twice",
        ),
        pytest.param(
            CLONE,
            {"repoURL": URL, "checkout": [{"path": "a"}, {"path": "b", "as": "a"}]},
            ": Value error, two checkouts have the output key (as or path) 'a'",
            id="key twice",
        ),
        pytest.param(
            CLONE,
            clone() | {"author": {"name": "A", "email": "none"}},
            "author.email: String should match pattern '^[^@\\s<>]+@[^@\\s<>]+$'",
            id="author's address",
        ),
        pytest.param(
            CLONE, clone() | {"depth": 1}, "depth: Extra inputs are not permitted", id="unknown"
        ),
        pytest.param(CLEAR, {}, "path: Field required", id="clear: no path"),
        pytest.param(
            CLEAR, {"path": ""}, "path: String should have at least 1 character", id="clear: empty"
        ),
        pytest.param(COMMIT, {"path": "a"}, "message: Field required", id="commit: no message"),
        pytest.param(
            COMMIT,
            {"path": "a", "message": ""},
            "message: String should have at least 1 character",
            id="commit: empty message",
        ),
        pytest.param(PUSH, {}, "path: Field required", id="push: no path"),
        pytest.param(
            PUSH,
            {"path": "a", "targetBranch": "b", "generateTargetBranch": True},
            ": Value error, expected at most one of targetBranch, generateTargetBranch and tag",
            id="push: two targets",
        ),
        pytest.param(
            PUSH,
            {"path": "a", "tag": "v1", "force": True},
            ": Value error, force does not go with tag",
            id="push: forced tag",
        ),
        pytest.param(
            PUSH,
            {"path": "a", "maxAttempts": 0},
            "maxAttempts: Input should be greater than or equal to 1",
            id="push: no attempt",
        ),
        pytest.param(
            PUSH,
            {"path": "a", "provider": "sourcehut"},
            "provider: Input should be 'azure', 'bitbucket', 'gitea', 'github' or 'gitlab'",
            id="push: provider",
        ),
        pytest.param(
            TAG, {"path": "a", "message": "m"}, "tag: Field required", id="tag: without a name"
        ),
        pytest.param(
            TAG, {"path": "a", "tag": "v1"}, "message: Field required", id="tag: without a message"
        ),
    ],
)
def test_a_bad_config_is_refused_with(
    step: PromotionStep[Any], config: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        step.config_type.model_validate(config)
    (error,) = caught.value.errors()
    assert f"{'.'.join(map(str, error['loc']))}: {error['msg']}" == problem


@pytest.mark.parametrize(
    ("step", "config"),
    [
        pytest.param(CLEAR, {}, id="git-clear"),
        pytest.param(COMMIT, {"message": "m"}, id="git-commit"),
        pytest.param(PUSH, {}, id="git-push"),
        pytest.param(TAG, {"tag": "v1", "message": "m"}, id="git-tag"),
    ],
)
def test_a_path_without_a_checkout_is_refused(
    bench: Bench, step: PromotionStep[Any], config: dict[str, Any]
) -> None:
    (bench.root / "src").mkdir()
    with pytest.raises(TerminalStepError, match="path 'src' is in no checkout"):
        bench.run(step, path="src", **config)


def test_a_git_folder_that_no_git_clone_made_is_not_used(bench: Bench) -> None:
    (bench.root / "src/.git").mkdir(parents=True)
    with pytest.raises(TerminalStepError, match="is in no checkout"):
        bench.run(CLEAR, path="src")


@pytest.mark.parametrize(
    "url",
    [URL, "http://localhost:3000/a/b", "ssh://git@host:22/a.git", "git@github.com:a/b.git"],
)
def test_an_address_of_a_remote_is_accepted(url: str) -> None:
    check_repository_url(url)


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c id", "fd::7", "file:///x", "/x", "-x", "https://h", "git://h/a", "h:-x", "a b:c",
     "https://-h/a", "https://h/a\r", "ssh://-oProxyCommand=x/a", "-oProxyCommand=x:a"],
)  # fmt: skip
def test_an_address_that_is_no_remote_is_refused(url: str) -> None:
    with pytest.raises(ArtifactError, match="is not accepted"):
        check_repository_url(url)


@pytest.mark.parametrize("name", ["", "-x", "a b", "a..b", "a\n", "a:b", "+a", "a.lock", "@", "/a"])
def test_a_name_that_git_forbids_is_refused(name: str) -> None:
    with pytest.raises(ArtifactError, match="is not a name that a branch can have"):
        check_ref_name(name)


@pytest.mark.parametrize(
    ("repository", "provider", "page"),
    [
        ("https://github.com/a/b.git", None, "https://github.com/a/b/commit/1"),
        ("git@github.com:a/b.git", None, "https://github.com/a/b/commit/1"),
        ("https://corp.ghe.com/a/b", None, "https://corp.ghe.com/a/b/commit/1"),
        ("ssh://git@gitlab.com:22/a/b.git", None, "https://gitlab.com/a/b/-/commit/1"),
        ("https://me@bitbucket.org/a/b", None, "https://bitbucket.org/a/b/commits/1"),
        ("http://gitea:3000/a/b", None, "http://gitea:3000/a/b/commit/1"),
        ("git@ssh.dev.azure.com:v3/o/p/r", None, "https://dev.azure.com/o/p/_git/r/commit/1"),
        ("https://git.corp/a/b", "gitlab", "https://git.corp/a/b/-/commit/1"),
        ("https://git.corp/a/b", None, None),
    ],
)
def test_the_page_of_a_commit_is(repository: str, provider: str | None, page: str | None) -> None:
    assert commit_url(repository, "1", provider) == page
