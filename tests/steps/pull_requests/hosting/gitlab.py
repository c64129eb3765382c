"""GitLab's REST API v4."""

from __future__ import annotations

from typing import Any

from tests.steps.pull_requests.hosting.repository import HostedRepository, Request, Route


def _body(server: HostedRepository, one: Request) -> dict[str, Any]:
    return {
        "iid": one.number,
        "web_url": f"https://gitlab.example/{server.name}/-/merge_requests/{one.number}",
        "state": {"open": "opened"}.get(one.state, one.state),
        "draft": False,
        "detailed_merge_status": "mergeable" if server.ready else "checking",
        "merge_commit_sha": one.merge_commit,
        "sha": one.head,
        "labels": one.labels,
        "source_branch": one.source,
        "target_branch": one.target,
    }


def _list(server: HostedRepository, _: Any, data: dict[str, Any]) -> tuple[int, Any]:
    found = server.find(data["source_branch"], data["target_branch"])
    return 200, [_body(server, one) for one in found]


def _open(server: HostedRepository, _: Any, data: dict[str, Any]) -> tuple[int, Any]:
    labels = [label for label in data.get("labels", "").split(",") if label]
    branches = (data["source_branch"], data["target_branch"])
    one = server.open(*branches, data["title"], data["description"], labels)
    if one is None:
        return 409, {"message": ["Another open merge request already exists: !1"]}
    return 201, _body(server, one)


def _get(server: HostedRepository, path: tuple[str, ...], _: Any) -> tuple[int, Any]:
    return 200, _body(server, server.at(path[0]))


def _merge(server: HostedRepository, path: tuple[str, ...], _: Any) -> tuple[int, Any]:
    if server.at(path[0]).state != "open":
        return 405, {"message": "405 Method Not Allowed"}
    server.merge(int(path[0]))
    return _get(server, path, {})


def _label(server: HostedRepository, path: tuple[str, ...], data: Any) -> tuple[int, Any]:
    server.at(path[0]).labels += data["add_labels"].split(",")
    return _get(server, path, {})


_MERGE_REQUESTS = r"/api/v4/projects/([^/]+/[^/]+)/merge_requests"
ROUTES: tuple[Route, ...] = (
    ("GET", _MERGE_REQUESTS, _list),
    ("POST", _MERGE_REQUESTS, _open),
    ("GET", rf"{_MERGE_REQUESTS}/(\d+)", _get),
    ("PUT", rf"{_MERGE_REQUESTS}/(\d+)", _label),
    ("PUT", rf"{_MERGE_REQUESTS}/(\d+)/merge", _merge),
)
