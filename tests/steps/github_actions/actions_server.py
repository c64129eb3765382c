"""GitHub's Actions API on this machine, as far as the steps use it, with state."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.serving import QuietHandler, Serving

Reply = tuple[int, Any, dict[str, str]]
REPOSITORY = "shop/app"
_PLACE = f"/api/v3/repos/{REPOSITORY}/actions"


@dataclass
class Actions:
    """Has one workflow, ``deploy.yml``.

    `declared` are its inputs, and its ``run-name`` shows the one named `shown`. `tells_id` is GitHub since 2026,
    `knows_details` one that takes the wish for the id at all. `late` is for how many lists a new run stays hidden.
    `refusal` answers everything. `asked` is every request's line; `after_dispatch` is called after each start.
    """

    token: str
    declared: tuple[str, ...] = ("environment",)
    shown: str = ""
    tells_id: bool = True
    knows_details: bool = True
    late: int = 0
    refusal: Reply | None = None
    runs: list[dict[str, Any]] = field(default_factory=list)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    after_dispatch: Callable[[], object] = lambda: None
    url: str = ""

    def start(self, ref: str = "main", title: str = "Deploy") -> int:
        """Start a run, as anybody may; return its id."""
        number = len(self.runs) + 1
        run = {
            "id": 100 + number,
            "run_number": number,
            "event": "workflow_dispatch",
            "head_branch": ref,
            "display_title": title,
            "status": "queued",
            "conclusion": None,
            "html_url": f"https://github.example/{REPOSITORY}/actions/runs/{100 + number}",
        }
        self.runs.insert(0, run)
        return 100 + number

    def end(self, run_id: int, conclusion: str) -> None:
        run = next(run for run in self.runs if run["id"] == run_id)
        run.update(status="completed", conclusion=conclusion)

    def answer(self, method: str, target: str, authorization: str, body: bytes) -> Reply:
        self.asked.append(f"{method} {target}")
        if self.refusal:
            return self.refusal
        if authorization != f"Bearer {self.token}":
            return 401, {"message": "Bad credentials"}, {}
        parts = urlsplit(target)
        if method == "POST" and parts.path == f"{_PLACE}/workflows/deploy.yml/dispatches":
            return self._dispatch(json.loads(body))
        if parts.path == f"{_PLACE}/workflows/deploy.yml/runs":
            return self._list(parse_qs(parts.query)["branch"][0])
        found = re.fullmatch(rf"{_PLACE}/runs/(\d+)", parts.path)
        known = [run for run in self.runs if found and run["id"] == int(found[1])]
        return (200, known[0], {}) if known else (404, {"message": "Not Found"}, {})

    def _dispatch(self, body: dict[str, Any]) -> Reply:
        if "return_run_details" in body and not self.knows_details:
            said = 'Invalid request.\n\n"return_run_details" is not a permitted key.'
            return 422, {"message": said}, {}
        unexpected = sorted(set(body["inputs"]) - set(self.declared))
        if unexpected:
            said = f"Unexpected inputs provided: {json.dumps(unexpected)}"
            return 422, {"message": said}, {}
        if body["ref"] not in ("main", "v1"):
            return 422, {"message": f"No ref found for: {body['ref']}"}, {}
        self.inputs.append(body["inputs"])
        run_id = self.start(body["ref"], f"Deploy {body['inputs'].get(self.shown, '')}")
        self.after_dispatch()
        if self.tells_id and body.get("return_run_details"):
            return 200, {"workflow_run_id": run_id}, {}
        return 204, None, {}

    def _list(self, ref: str) -> Reply:
        hidden = 0
        if self.inputs and self.late:
            self.late -= 1
            hidden = 1
        runs = [run for run in self.runs[hidden:] if run["head_branch"] == ref]
        return 200, {"total_count": len(runs), "workflow_runs": runs}, {}


class ActionsServer(Serving):
    """Serves `actions` over HTTP while it is entered."""

    def __init__(self, actions: Actions) -> None:
        handler = type("Handler", (_Handler,), {"actions": actions})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/{REPOSITORY}"


class _Handler(QuietHandler):
    actions: Actions

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        authorization = self.headers.get("Authorization", "")
        body = self.rfile.read(length)
        status, said, headers = self.actions.answer(self.command, self.path, authorization, body)
        content = b"" if said is None else json.dumps(said).encode()
        self.send_response(status)
        for name, value in (("Content-Length", str(len(content))), *headers.items()):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET
