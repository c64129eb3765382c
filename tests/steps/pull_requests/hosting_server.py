"""The APIs of all services over one repository of a Git server, as far as the steps use them, with state."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.steps.pull_requests.hosting import azure, bitbucket, gitea, github, gitlab
from tests.steps.pull_requests.hosting.repository import Act, HostedRepository, Route


@dataclass
class HostingServer(HostedRepository):
    """Answers for one repository; `asked` is every request's line.

    `before_write` is called before each request that writes.
    """

    asked: list[str] = field(default_factory=list)
    before_write: Callable[[str], None] = lambda _: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Any]:
        self.asked.append(f"{method} {target}")
        parts = urlsplit(target)
        asked = parse_qs(parts.query).items()
        query = {key: values[0] if len(values) == 1 else values for key, values in asked}
        data = json.loads(body) if body else {}
        route = _route(method, unquote(parts.path))
        if route is None:
            return 404, {"message": "Not Found"}
        act, place, login = route
        if headers.get("Authorization") != login(self.token):
            return 401, {"message": "Bad credentials"}
        if method != "GET":
            self.before_write(f"{method} {parts.path}")
        with self.lock:
            return act(self, place, {**query, **data})


def _bearer(token: str) -> str:
    return f"Bearer {token}"


def _basic(token: str) -> str:
    return f"Basic {base64.b64encode(f':{token}'.encode()).decode()}"


Login = Callable[[str], str]
_SERVICES: tuple[tuple[tuple[Route, ...], Login], ...] = (
    (github.ROUTES, _bearer),
    (gitlab.ROUTES, _bearer),
    (gitea.ROUTES, "token {}".format),
    (bitbucket.ROUTES, _bearer),
    (azure.ROUTES, _basic),
)


def _route(method: str, path: str) -> tuple[Act, tuple[str, ...], Login] | None:
    """Return what answers, what its address holds, and how the service wants the token."""
    for routes, login in _SERVICES:
        for wanted, pattern, act in routes:
            found = re.fullmatch(pattern, path)
            if found and method == wanted:
                return act, found.groups()[1:], login
    return None
