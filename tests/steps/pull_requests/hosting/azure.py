"""Azure DevOps Services' REST API 7.1."""

from __future__ import annotations

from typing import Any

from tests.steps.pull_requests.hosting.repository import HostedRepository, Request, Route

_HEADS = "refs/heads/"
_STATES = {"open": "active", "merged": "completed", "closed": "abandoned"}


def _body(server: HostedRepository, one: Request) -> dict[str, Any]:
    return {
        "pullRequestId": one.number,
        "status": _STATES[one.state],
        "sourceRefName": _HEADS + one.source,
        "targetRefName": _HEADS + one.target,
        "mergeStatus": "succeeded" if server.ready else "queued",
        "isDraft": False,
        "lastMergeSourceCommit": {"commitId": one.head},
        "lastMergeCommit": {"commitId": one.merge_commit or "7" * 40},
        "labels": [{"name": label, "active": True} for label in one.labels],
    }


def _list(server: HostedRepository, _: Any, data: dict[str, Any]) -> tuple[int, Any]:
    ends = ("searchCriteria.sourceRefName", "searchCriteria.targetRefName")
    source, target = (data[end].removeprefix(_HEADS) for end in ends)
    found = server.find(source, target, ended=data.get("searchCriteria.status") == "all")
    return 200, {"value": [_body(server, one) for one in found], "count": len(found)}


def _open(server: HostedRepository, _: Any, data: dict[str, Any]) -> tuple[int, Any]:
    source, target = (data[end].removeprefix(_HEADS) for end in ("sourceRefName", "targetRefName"))
    labels = [label["name"] for label in data["labels"]]
    one = server.open(source, target, data["title"], data["description"], labels)
    if one is None:
        exists = "TF401179: An active pull request for the source and target branch already exists."
        return 409, {"message": exists, "typeKey": "GitPullRequestExistsException"}
    return 201, _body(server, one)


def _get(server: HostedRepository, path: tuple[str, ...], _: Any) -> tuple[int, Any]:
    return 200, _body(server, server.at(path[0]))


def _complete(server: HostedRepository, path: tuple[str, ...], data: Any) -> tuple[int, Any]:
    """Merge the commit that was looked at."""
    one = server.at(path[0])
    if one.state != "open" or data["lastMergeSourceCommit"]["commitId"] != one.head:
        return 409, {"message": "TF401192: The pull request was updated or is not active."}
    server.merge(one.number)
    return _get(server, path, {})


def _label(server: HostedRepository, path: tuple[str, ...], data: Any) -> tuple[int, Any]:
    server.at(path[0]).labels.append(data["name"])
    return 200, {"name": data["name"], "active": True}


_PULL_REQUESTS = r"/api/([^/]+/[^/]+)/_apis/git/repositories/[^/]+/pullrequests"
ROUTES: tuple[Route, ...] = (
    ("GET", _PULL_REQUESTS, _list),
    ("POST", _PULL_REQUESTS, _open),
    ("GET", rf"{_PULL_REQUESTS}/(\d+)", _get),
    ("PATCH", rf"{_PULL_REQUESTS}/(\d+)", _complete),
    ("POST", rf"{_PULL_REQUESTS}/(\d+)/labels", _label),
)
