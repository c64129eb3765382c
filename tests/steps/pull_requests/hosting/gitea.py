"""Gitea's REST API v1."""

from __future__ import annotations

from typing import Any

from tests.steps.pull_requests.hosting.repository import HostedRepository, Request, Route


def _body(server: HostedRepository, one: Request) -> dict[str, Any]:
    return {
        "number": one.number,
        "html_url": f"https://gitea.example/{server.name}/pulls/{one.number}",
        "state": "open" if one.state == "open" else "closed",
        "draft": False,
        "mergeable": server.ready,
        "merged": one.state == "merged",
        "merge_commit_sha": one.merge_commit,
        "labels": [{"name": label} for label in one.labels],
        "head": {"ref": one.source, "sha": one.head},
        "base": {"ref": one.target},
    }


def _list(server: HostedRepository, _: Any, data: dict[str, Any]) -> tuple[int, Any]:
    """Return those between any branches: Gitea cannot filter by branch."""
    ended = data.get("state") == "all"
    found = [one for one in reversed(server.requests) if ended or one.state == "open"]
    return 200, [_body(server, one) for one in found]


def _open(server: HostedRepository, _: Any, data: dict[str, Any]) -> tuple[int, Any]:
    one = server.open(data["head"], data["base"], data["title"], data["body"])
    if one is None:
        exists = f"pull request already exists for these targets [head_branch: {data['head']}]"
        return 409, {"message": exists}
    return 201, _body(server, one)


def _get(server: HostedRepository, path: tuple[str, ...], _: Any) -> tuple[int, Any]:
    return 200, _body(server, server.at(path[0]))


def _merge(server: HostedRepository, path: tuple[str, ...], _: Any) -> tuple[int, Any]:
    if server.at(path[0]).state != "open" or not server.ready:
        return 405, {"message": "Please try again later"}
    server.merge(int(path[0]))
    return 200, None


def _label(server: HostedRepository, path: tuple[str, ...], data: Any) -> tuple[int, Any]:
    server.at(path[0]).labels += data["labels"]
    return 200, [{"name": label} for label in data["labels"]]


_REPOS = r"/api/v1/repos/([^/]+/[^/]+)"
ROUTES: tuple[Route, ...] = (
    ("GET", rf"{_REPOS}/pulls", _list),
    ("POST", rf"{_REPOS}/pulls", _open),
    ("GET", rf"{_REPOS}/pulls/(\d+)", _get),
    ("POST", rf"{_REPOS}/pulls/(\d+)/merge", _merge),
    ("POST", rf"{_REPOS}/issues/(\d+)/labels", _label),
)
