"""Each step that changes the world outside: the request that does it, what to count, and what guards it in the code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.argocd_server import COMMIT
from tests.steps.kill.world import OWN_BRANCH, REPOSITORY, World

_REPO = "${{ vars.repo }}"
_THEIRS = "stage/dev"  # a branch that is there before the Promotion
_CLONE = {
    "uses": "git-clone",
    "config": {"repoURL": _REPO, "checkout": [{"path": "out", "branch": "main"}]},
}
_UPDATE = {
    "uses": "yaml-update",
    "config": {"path": "out/prod.yaml", "updates": [{"key": "tag", "value": "new"}]},
}
_COMMIT = {"uses": "git-commit", "config": {"path": "out", "message": "Promote"}}
_CHANGE = (_CLONE, _UPDATE, _COMMIT)
_PUSH = {"uses": "git-push", "alias": "push", "config": {"path": "out"}}
_PUSH_OWN = {
    "uses": "git-push",
    "alias": "push",
    "config": {"path": "out", "generateTargetBranch": True},
}
_TAG = {"uses": "git-tag", "config": {"path": "out", "tag": "v2", "message": "Two"}}
_PUSH_TAG = {"uses": "git-push", "alias": "push-tag", "config": {"path": "out", "tag": "v2"}}
_CREATE = {
    "uses": "git-clone",
    "alias": "create",
    "config": {
        "repoURL": _REPO,
        "checkout": [{"path": "out", "branch": "env/prod", "create": True}],
    },
}
_GITHUB_PUSH = {"uses": "github-push", "alias": "push", "config": {"path": "out"}}
_GITHUB_PUSH_OWN = {
    "uses": "github-push",
    "alias": "push",
    "config": {"path": "out", "generateTargetBranch": True},
}
_OCI_PUSH = {
    "uses": "oci-push",
    "alias": "push",
    "config": {"srcRef": "${{ vars.from }}/acme/web:1", "destRef": "${{ vars.to }}:1"},
}
_ARGOCD = {
    "uses": "argocd-update",
    "alias": "sync",
    "config": {
        "apps": [
            {
                "name": "web",
                "sources": [
                    {
                        "repoURL": "https://git.example.com/shop/gitops.git",
                        "desiredRevision": COMMIT,
                        "updateTargetRevision": True,
                    }
                ],
            }
        ]
    },
}


def _open(provider: str, source: str = "${{ outputs.push.branch }}") -> dict[str, Any]:
    branches = {"sourceBranch": source, "targetBranch": "main"}
    config = {"repoURL": _REPO, "provider": provider, **branches}
    return {"uses": "git-open-pr", "alias": "open", "config": config}


def _merge(provider: str) -> dict[str, Any]:
    config = {"repoURL": _REPO, "provider": provider, "prNumber": "${{ outputs.open.pr.id }}"}
    return {"uses": "git-merge-pr", "alias": "merge", "config": config}


@dataclass(frozen=True)
class Effect:
    """A Promotion whose step `alias` has the effect by the first request that fits `method`, `path` and `holds`.

    `counted` is what the server has; it is `expected` once that request was carried out, and at the end. Where more
    requests follow before the step is done, `is_last` is False. `guard` says what in the code makes it one effect.
    `given` is done before the Promotion. `at_the_register` says whether it is also killed as its output is written,
    where the code is the same whichever service was asked.
    """

    steps: tuple[Mapping[str, Any], ...]
    alias: str
    door: str
    method: str
    path: str
    counted: Callable[[World], Any]
    expected: Any
    guard: str
    holds: Callable[[bytes], bool] = lambda body: True
    is_last: bool = True
    argocd: str = "kubernetes"
    settings: Mapping[str, Any] = field(default_factory=dict)
    given: Callable[[World], object] = lambda world: None
    at_the_register: bool = True


def _branch(world: World) -> Any:
    return world.count("commit"), world.run("log", "--format=%s", "main").split("\n")


def _own_branch(world: World) -> Any:
    branches = world.run("for-each-ref", "--format=%(refname:short)", "refs/heads").split()
    return world.count("commit"), branches


def _created(world: World) -> Any:
    return world.count("commit"), world.run("for-each-ref", "--format=%(refname:short)").split()


def _tags(world: World) -> Any:
    return world.count("commit"), world.count("tag"), world.run("tag", "--list").split()


def _requests(world: World) -> Any:
    """Count the pull requests whose head is where it was when they were opened."""
    heads = [
        (world.run("rev-parse", one.source) == one.head, one.source)
        for one in world.hosting.requests
    ]
    return heads, world.hosting.merges


def _on_github(world: World) -> Any:
    """Count how often a branch was set, too: GitHub's own commits have another SHA each time."""
    writes = ("POST", "PATCH")
    moves = [
        line for line in world.hosting.asked if "/git/refs" in line and line.startswith(writes)
    ]
    return len(moves), world.run("log", "--topo-order", "--format=%s", "main", *_made(world)).split(
        "\n"
    )


def _made(world: World) -> list[str]:
    return world.run("for-each-ref", "--format=%(refname)", "refs/heads/kargo").split()


def _artifacts(world: World) -> Any:
    return world.registry.writes(world.images, "manifests/", status="201")


def _syncs(world: World) -> Any:
    revision = world.argocd.apps["argocd", "web"]["spec"]["source"]["targetRevision"]
    return len(world.argocd.begun), revision


RECEIVE = r"/git-receive-pack$"
# How the other services open and merge: method and path of each.
_OPENS = {
    "gitlab": ("POST", r"/merge_requests$"),
    "gitea": ("POST", r"/pulls$"),
    "bitbucket": ("POST", r"/pullrequests$"),
    "azure": ("POST", r"/pullrequests\?"),
}
_MERGES = {
    "gitlab": ("PUT", r"/merge_requests/1/merge$"),
    "gitea": ("POST", r"/pulls/1/merge$"),
    "bitbucket": ("POST", r"/pullrequests/1/merge$"),
    "azure": ("PATCH", r"/pullrequests/1\?"),
}
_VERIFY = {"github_push_verify_untrusted_commits": True}
_NO_COMMIT = "GitCommitStep skips where nothing differs from HEAD: the clone has what was pushed"
_OWN_BRANCH = (
    "pushed_before finds the change on the branch; behind it, commits are dated by the start"
)
_BEGIN = "standing: an operation of this Promotion's, asked for or begun, is not asked for again"
_LOOKS = "_existing in git-open-pr looks before it opens one; behind it, _create takes what exists"
_IS_MERGED = "_try_once in git-merge-pr takes one that is merged for done"


def _push_theirs(world: World) -> None:
    world.git.commit(REPOSITORY, {"prod.yaml": "tag: new\n"}, "Promote", branch=_THEIRS)


EFFECTS: dict[str, Effect] = {
    "git-clone, create": Effect(
        (_CREATE,),
        "create",
        "git",
        "POST",
        RECEIVE,
        _created,
        (2, ["env/prod", "main"]),
        "_CheckoutRun._revision makes only a branch that is not there; behind it, _create dates the commit",
    ),
    "git-push, a shared branch": Effect(
        (*_CHANGE, _PUSH),
        "push",
        "git",
        "POST",
        RECEIVE,
        _branch,
        (2, ["Promote", "First"]),
        _NO_COMMIT,
    ),
    "git-push, a branch of its own": Effect(
        (*_CHANGE, _PUSH_OWN),
        "push",
        "git",
        "POST",
        RECEIVE,
        _own_branch,
        (2, [OWN_BRANCH, "main"]),
        _OWN_BRANCH,
    ),
    "git-tag": Effect(
        (_CLONE, _TAG, _PUSH_TAG),
        "push-tag",
        "git",
        "POST",
        RECEIVE,
        _tags,
        (1, 1, ["v2"]),
        "GitTagStep dates the tag by the Promotion's start, so that it is the one in the clone",
        holds=lambda body: b"refs/tags/v2" in body,
    ),
    "git-open-pr on github": Effect(
        (*_CHANGE, _PUSH_OWN, _open("github")),
        "open",
        "git",
        "POST",
        r"/pulls$",
        _requests,
        ([(True, OWN_BRANCH)], 0),
        _LOOKS,
    ),
    "git-merge-pr on github": Effect(
        (*_CHANGE, _PUSH_OWN, _open("github"), _merge("github")),
        "merge",
        "git",
        "PUT",
        r"/pulls/1/merge$",
        _requests,
        ([(True, OWN_BRANCH)], 1),
        _IS_MERGED,
    ),
    **{
        f"{kind} on {provider}": Effect(
            (_open(provider, _THEIRS), _merge(provider))[:steps],
            alias,
            "git",
            method,
            path,
            _requests,
            ([(True, _THEIRS)], merges),
            guard,
            given=_push_theirs,
            at_the_register=False,
        )
        for kind, alias, steps, requests, merges, guard in (
            ("git-open-pr", "open", 1, _OPENS, 0, _LOOKS),
            ("git-merge-pr", "merge", 2, _MERGES, 1, _IS_MERGED),
        )
        for provider, (method, path) in requests.items()
    },
    **{
        f"github-push, {what}": Effect(
            (*_CHANGE, push),
            "push",
            "git",
            method,
            path,
            _on_github,
            (1, ["Promote", "First"]),
            guard,
            is_last="branch" in what,
            settings=_VERIFY,
        )
        for what, push, method, path, guard in (
            ("the files", _GITHUB_PUSH, "POST", RECEIVE, _NO_COMMIT),
            ("the commit", _GITHUB_PUSH, "POST", r"/git/commits$", _NO_COMMIT),
            ("a shared branch", _GITHUB_PUSH, "PATCH", r"/git/refs/heads/main$", _NO_COMMIT),
            ("a branch of its own", _GITHUB_PUSH_OWN, "POST", r"/git/refs$", _OWN_BRANCH),
        )
    },
    **{
        f"oci-push, {what}": Effect(
            (_OCI_PUSH,),
            "push",
            "registry",
            "PUT",
            path,
            _artifacts,
            1,
            "digest_at in OciPushStep: a tag that has the digest is not pushed again",
            is_last=what == "the tag",
        )
        for what, path in (("a layer", "/blobs/uploads/"), ("the tag", "/manifests/1$"))
    },
    **{
        f"argocd-update by {door}, {what}": Effect(
            (_ARGOCD,),
            "sync",
            "argocd",
            method,
            path,
            _syncs,
            (1, COMMIT),
            _BEGIN,
            is_last=what == "the sync",
            argocd=door,
        )
        for door, what, method, path in (
            ("kubernetes", "the sync", "PATCH", "/applications/web$"),
            ("rest", "the sources", "PATCH", "/applications/web$"),
            ("rest", "the sync", "POST", "/applications/web/sync$"),
        )
    },
}
