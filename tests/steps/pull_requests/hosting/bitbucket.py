"""Bitbucket Cloud's REST API 2.0, which shortens SHAs."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.steps.pull_requests.hosting.repository import HostedRepository, Request, Route

_STATES = {"open": "OPEN", "merged": "MERGED", "closed": "DECLINED"}
_TEXT = r'("(?:[^"\\]|\\.)*")'
_BRANCHES = rf"source\.branch\.name = {_TEXT} AND destination\.branch\.name = {_TEXT}"


def _body(server: HostedRepository, one: Request) -> dict[str, Any]:
    page = f"https://bitbucket.org/{server.name}/pull-requests/{one.number}"
    return {
        "id": one.number,
        "state": _STATES[one.state],
        "draft": not server.ready,  # the only thing that forbids a merge and is told
        "links": {"html": {"href": page}},
        "source": {"branch": {"name": one.source}, "commit": {"hash": one.head[:12]}},
        "destination": {"branch": {"name": one.target}},
        "merge_commit": one.merge_commit and {"hash": one.merge_commit[:12]},
    }


def _list(server: HostedRepository, _: Any, data: dict[str, Any]) -> tuple[int, Any]:
    found = re.fullmatch(_BRANCHES, data["q"])
    if found is None:
        return 400, {"type": "error", "error": {"message": "invalid query"}}
    source, target = (json.loads(text) for text in found.groups())
    states = data.get("state", "OPEN")
    between = [_body(server, one) for one in server.find(source, target)]
    return 200, {"values": [one for one in between if one["state"] in states]}


def _open(server: HostedRepository, _: Any, data: dict[str, Any]) -> tuple[int, Any]:
    """Open one, or answer with the one that is open: no error is documented for that."""
    source, target = (data[end]["branch"]["name"] for end in ("source", "destination"))
    one = server.open(source, target, data["title"], data["description"])
    return 201, _body(server, one or server.find(source, target, ended=False)[0])


def _get(server: HostedRepository, path: tuple[str, ...], _: Any) -> tuple[int, Any]:
    return 200, _body(server, server.at(path[0]))


def _merge(server: HostedRepository, path: tuple[str, ...], _: Any) -> tuple[int, Any]:
    if server.at(path[0]).state != "open":
        return 409, {"type": "error", "error": {"message": "This pull request is already closed."}}
    server.merge(int(path[0]))
    return _get(server, path, {})


def _commit(server: HostedRepository, path: tuple[str, ...], _: Any) -> tuple[int, Any]:
    return 200, {"type": "commit", "hash": server.run("rev-parse", path[0])}


_REPOSITORIES = r"/api/2\.0/repositories/([^/]+/[^/]+)"
ROUTES: tuple[Route, ...] = (
    ("GET", rf"{_REPOSITORIES}/pullrequests", _list),
    ("POST", rf"{_REPOSITORIES}/pullrequests", _open),
    ("GET", rf"{_REPOSITORIES}/pullrequests/(\d+)", _get),
    ("POST", rf"{_REPOSITORIES}/pullrequests/(\d+)/merge", _merge),
    ("GET", rf"{_REPOSITORIES}/commit/([0-9a-f]+)", _commit),
)
