"""GitHub's REST API and its Git Data API, as Enterprise Server has them."""

from __future__ import annotations

from typing import Any

from tests.git_http import git
from tests.steps.pull_requests.hosting.repository import HostedRepository, Request, Route


def _body(server: HostedRepository, one: Request) -> dict[str, Any]:
    return {
        "number": one.number,
        "html_url": f"https://github.example/{server.name}/pull/{one.number}",
        "state": "open" if one.state == "open" else "closed",
        "draft": False,
        "merged_at": "2024-05-01T12:00:00Z" if one.state == "merged" else None,
        "merge_commit_sha": one.merge_commit or "7" * 40,
        "mergeable": server.ready,
        "mergeable_state": "clean" if server.ready else "unknown",
        "labels": [{"name": label} for label in one.labels],
        "head": {"ref": one.source, "sha": one.head},
        "base": {"ref": one.target},
    }


def _list(server: HostedRepository, _: Any, data: dict[str, Any]) -> tuple[int, Any]:
    source = data["head"].partition(":")[2]
    found = server.find(source, data["base"], ended=data.get("state") == "all")
    return 200, [_body(server, one) for one in found]


def _open(server: HostedRepository, _: Any, data: dict[str, Any]) -> tuple[int, Any]:
    one = server.open(data["head"], data["base"], data["title"], data["body"])
    if one is None:
        exists = f"A pull request already exists for shop:{data['head']}."
        return 422, {"message": "Validation Failed", "errors": [{"message": exists}]}
    return 201, _body(server, one)


def _get(server: HostedRepository, path: tuple[str, ...], _: Any) -> tuple[int, Any]:
    return 200, _body(server, server.at(path[0]))


def _merge(server: HostedRepository, path: tuple[str, ...], _: Any) -> tuple[int, Any]:
    if server.at(path[0]).state != "open":
        return 405, {"message": "Pull Request is not mergeable"}
    server.merge(int(path[0]))
    return 200, {"sha": server.at(path[0]).merge_commit, "merged": True}


def _label(server: HostedRepository, path: tuple[str, ...], data: Any) -> tuple[int, Any]:
    server.at(path[0]).labels += data["labels"]
    return 200, [{"name": label} for label in data["labels"]]


def _commit(server: HostedRepository, _: Any, data: dict[str, Any]) -> tuple[int, Any]:
    """Make a commit; one without people is the App's own, and each of those has another time."""
    server.clock += 1
    own = {"name": "app[bot]", "email": "app@github.example", "date": f"@{server.clock} +0000"}
    people = {"AUTHOR": data.get("author") or own, "COMMITTER": data.get("committer") or own}
    environment = {
        f"GIT_{role}_{key.upper()}": value
        for role, person in people.items()
        for key, value in person.items()
    }
    parents = [part for parent in data["parents"] for part in ("-p", parent)]
    place = server.git.path(server.name)
    arguments = ("commit-tree", data["tree"], *parents, "-m", data["message"])
    return 201, {"sha": git(*arguments, cwd=place, environment=environment)}


def _branch(server: HostedRepository, _: Any, data: dict[str, Any]) -> tuple[int, Any]:
    known = server.run("for-each-ref", "--format=%(refname)").splitlines()
    if data["ref"] in known:
        return 422, {"message": "Reference already exists"}
    server.run("update-ref", data["ref"], data["sha"])
    return 201, {"ref": data["ref"]}


def _move(server: HostedRepository, path: tuple[str, ...], data: Any) -> tuple[int, Any]:
    ref = f"refs/{path[0]}"
    base = server.run("merge-base", ref, data["sha"])
    if not data["force"] and base != server.run("rev-parse", ref):
        return 422, {"message": "Update is not a fast forward"}
    server.run("update-ref", ref, data["sha"])
    return 200, {"ref": ref}


def _delete(server: HostedRepository, path: tuple[str, ...], _: Any) -> tuple[int, Any]:
    server.run("update-ref", "-d", f"refs/{path[0]}")
    return 204, None


_REPOS = r"/api/v3/repos/([^/]+/[^/]+)"
ROUTES: tuple[Route, ...] = (
    ("GET", rf"{_REPOS}/pulls", _list),
    ("POST", rf"{_REPOS}/pulls", _open),
    ("GET", rf"{_REPOS}/pulls/(\d+)", _get),
    ("PUT", rf"{_REPOS}/pulls/(\d+)/merge", _merge),
    ("POST", rf"{_REPOS}/issues/(\d+)/labels", _label),
    ("POST", rf"{_REPOS}/git/commits", _commit),
    ("POST", rf"{_REPOS}/git/refs", _branch),
    ("PATCH", rf"{_REPOS}/git/refs/(.+)", _move),
    ("DELETE", rf"{_REPOS}/git/refs/(.+)", _delete),
)
