"""GitHub's and GitLab's APIs over the repositories of a Git server, as far as the steps use them, with state."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.git_http import GitHttpServer, git


@dataclass
class Request:
    """One pull request on the server."""

    number: int
    source: str
    target: str
    title: str
    description: str
    head: str
    state: str = "open"
    merge_commit: str | None = None
    labels: list[str] = field(default_factory=list)


@dataclass
class HostingServer:
    """Answers for one repository; `ready` says whether requests can be merged, `asked` is every request's line.

    `before_write` is called before each request that writes.
    """

    git: GitHttpServer
    name: str
    token: str
    requests: list[Request] = field(default_factory=list)
    ready: bool = True
    merges: int = 0
    clock: int = 1_700_000_000
    asked: list[str] = field(default_factory=list)
    before_write: Callable[[str], None] = lambda _: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Any]:
        self.asked.append(f"{method} {target}")
        if headers.get("Authorization") != f"Bearer {self.token}":
            return 401, {"message": "Bad credentials"}
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        data = json.loads(body) if body else {}
        if method != "GET":
            self.before_write(f"{method} {parts.path}")
        with self.lock:
            for wanted, pattern, act in (*_GITHUB, *_GITLAB):
                found = re.fullmatch(pattern, unquote(parts.path))
                if found and method == wanted:
                    return act(self, found.groups()[1:], {**query, **data})
        return 404, {"message": "Not Found"}

    def run(self, *arguments: str) -> str:
        """Run git in the repository."""
        return git(*arguments, cwd=self.git.path(self.name))

    def open(self, data: Mapping[str, str], source: str, target: str) -> Request | None:
        """Open one, unless one is open between the branches."""
        if any(
            (one.source, one.target, one.state) == (source, target, "open") for one in self.requests
        ):
            return None
        one = Request(
            len(self.requests) + 1,
            source,
            target,
            data["title"],
            data.get("body") or data.get("description") or "",
            self.run("rev-parse", f"refs/heads/{source}"),
            labels=[label for label in data.get("labels", "").split(",") if label],
        )
        self.requests.append(one)
        return one

    def find(self, source: str, target: str) -> list[Request]:
        return [o for o in self.requests if (o.source, o.target) == (source, target)]

    def merge(self, number: int) -> None:
        """Merge as a person or the API would: a merge commit on the target branch."""
        one = self.requests[number - 1]
        tip = self.run("rev-parse", f"refs/heads/{one.target}")
        tree = self.run("merge-tree", "--write-tree", tip, one.head)
        commit = self.run("commit-tree", tree, "-p", tip, "-p", one.head, "-m", one.title)
        self.run("update-ref", f"refs/heads/{one.target}", commit)
        one.state, one.merge_commit = "merged", commit
        self.merges += 1


Act = Callable[[HostingServer, tuple[str, ...], dict[str, Any]], tuple[int, Any]]


def _github(server: HostingServer, one: Request) -> dict[str, Any]:
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


def _github_list(server: HostingServer, _: Any, data: dict[str, Any]) -> tuple[int, Any]:
    source = data["head"].partition(":")[2]
    return 200, [_github(server, one) for one in server.find(source, data["base"])]


def _github_open(server: HostingServer, _: Any, data: dict[str, Any]) -> tuple[int, Any]:
    one = server.open(data, data["head"], data["base"])
    if one is None:
        exists = f"A pull request already exists for shop:{data['head']}."
        return 422, {"message": "Validation Failed", "errors": [{"message": exists}]}
    return 201, _github(server, one)


def _github_get(server: HostingServer, path: tuple[str, ...], _: Any) -> tuple[int, Any]:
    return 200, _github(server, server.requests[int(path[0]) - 1])


def _github_merge(server: HostingServer, path: tuple[str, ...], _: Any) -> tuple[int, Any]:
    if server.requests[int(path[0]) - 1].state != "open":
        return 405, {"message": "Pull Request is not mergeable"}
    server.merge(int(path[0]))
    return 200, {"sha": server.requests[int(path[0]) - 1].merge_commit, "merged": True}


def _github_label(server: HostingServer, path: tuple[str, ...], data: Any) -> tuple[int, Any]:
    server.requests[int(path[0]) - 1].labels += data["labels"]
    return 200, [{"name": label} for label in data["labels"]]


def _github_commit(server: HostingServer, _: Any, data: dict[str, Any]) -> tuple[int, Any]:
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


def _github_branch(server: HostingServer, _: Any, data: dict[str, Any]) -> tuple[int, Any]:
    known = server.run("for-each-ref", "--format=%(refname)").splitlines()
    if data["ref"] in known:
        return 422, {"message": "Reference already exists"}
    server.run("update-ref", data["ref"], data["sha"])
    return 201, {"ref": data["ref"]}


def _github_move(server: HostingServer, path: tuple[str, ...], data: Any) -> tuple[int, Any]:
    ref = f"refs/{path[0]}"
    base = server.run("merge-base", ref, data["sha"])
    if not data["force"] and base != server.run("rev-parse", ref):
        return 422, {"message": "Update is not a fast forward"}
    server.run("update-ref", ref, data["sha"])
    return 200, {"ref": ref}


def _github_delete(server: HostingServer, path: tuple[str, ...], _: Any) -> tuple[int, Any]:
    server.run("update-ref", "-d", f"refs/{path[0]}")
    return 204, None


def _gitlab(server: HostingServer, one: Request) -> dict[str, Any]:
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


def _gitlab_list(server: HostingServer, _: Any, data: dict[str, Any]) -> tuple[int, Any]:
    found = server.find(data["source_branch"], data["target_branch"])
    return 200, [_gitlab(server, one) for one in found]


def _gitlab_open(server: HostingServer, _: Any, data: dict[str, Any]) -> tuple[int, Any]:
    one = server.open(data, data["source_branch"], data["target_branch"])
    if one is None:
        return 409, {"message": ["Another open merge request already exists: !1"]}
    return 201, _gitlab(server, one)


def _gitlab_get(server: HostingServer, path: tuple[str, ...], _: Any) -> tuple[int, Any]:
    return 200, _gitlab(server, server.requests[int(path[0]) - 1])


def _gitlab_merge(server: HostingServer, path: tuple[str, ...], _: Any) -> tuple[int, Any]:
    if server.requests[int(path[0]) - 1].state != "open":
        return 405, {"message": "405 Method Not Allowed"}
    server.merge(int(path[0]))
    return _gitlab_get(server, path, {})


_REPOS = r"/api/v3/repos/([^/]+/[^/]+)"
_MERGE_REQUESTS = r"/api/v4/projects/([^/]+/[^/]+)/merge_requests"
_GITHUB: tuple[tuple[str, str, Act], ...] = (
    ("GET", rf"{_REPOS}/pulls", _github_list),
    ("POST", rf"{_REPOS}/pulls", _github_open),
    ("GET", rf"{_REPOS}/pulls/(\d+)", _github_get),
    ("PUT", rf"{_REPOS}/pulls/(\d+)/merge", _github_merge),
    ("POST", rf"{_REPOS}/issues/(\d+)/labels", _github_label),
    ("POST", rf"{_REPOS}/git/commits", _github_commit),
    ("POST", rf"{_REPOS}/git/refs", _github_branch),
    ("PATCH", rf"{_REPOS}/git/refs/(.+)", _github_move),
    ("DELETE", rf"{_REPOS}/git/refs/(.+)", _github_delete),
)
_GITLAB: tuple[tuple[str, str, Act], ...] = (
    ("GET", _MERGE_REQUESTS, _gitlab_list),
    ("POST", _MERGE_REQUESTS, _gitlab_open),
    ("GET", rf"{_MERGE_REQUESTS}/(\d+)", _gitlab_get),
    ("PUT", rf"{_MERGE_REQUESTS}/(\d+)/merge", _gitlab_merge),
)
