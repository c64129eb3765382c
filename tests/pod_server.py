"""A server that answers as Kubernetes' API does for pods, over HTTP; its pods run by being looked at."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.serving import QuietHandler, running

_POD = re.compile(
    r"/api/v1/namespaces/(?P<namespace>[^/]+)/pods(?:/(?P<name>[^/]+))?(?P<log>/log)?"
)
_BEGAN, _ENDED = "2026-03-01T12:00:00Z", "2026-03-01T12:00:05Z"


@dataclass
class PodServer:
    """`made` has every pod that was asked for, `deleted` the names of those that are gone.

    A pod runs when it is looked at and has succeeded as soon as `finished` is set.
    """

    url: str = ""
    made: list[dict[str, Any]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    finished: threading.Event = field(default_factory=threading.Event)

    @property
    def kube_config(self) -> dict[str, Any]:
        """What leads a client here."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": self.url}}],
            "users": [{"name": "robot", "user": {"token": "pod-t0ken"}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "robot"}}],
        }

    def answer(self, method: str, path: str, query: str, body: bytes) -> tuple[int, Any]:
        """Return status and answer; a text is a log."""
        found = _POD.fullmatch(path)
        if found is None:
            return 200, {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": []}
        if method == "POST":
            pod = json.loads(body)
            pod["metadata"]["creationTimestamp"] = _BEGAN
            self.made.append(pod)
            return 201, self._seen(pod)
        if found["name"] is None:
            return 200, self._list(parse_qs(query).get("labelSelector", [""])[0])
        pod = next((pod for pod in self._pods() if pod["metadata"]["name"] == found["name"]), None)
        if pod is None:
            return 404, {"kind": "Status", "code": 404, "reason": "NotFound"}
        if found["log"]:
            return 200, f"exported {' '.join(pod['spec']['containers'][0]['args'])}\n"
        if method == "DELETE":
            self.deleted.append(found["name"])
        return 200, self._seen(pod)

    def _pods(self) -> list[dict[str, Any]]:
        return [pod for pod in self.made if pod["metadata"]["name"] not in self.deleted]

    def _list(self, selector: str) -> dict[str, Any]:
        wanted = [term.split("=") for term in selector.split(",") if "!" not in term]
        pods = [
            self._seen(pod)
            for pod in self._pods()
            if all(pod["metadata"]["labels"].get(key) == value for key, value in wanted)
        ]
        return {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods}

    def _seen(self, pod: dict[str, Any]) -> dict[str, Any]:
        ended = {"terminated": {"exitCode": 0, "startedAt": _BEGAN, "finishedAt": _ENDED}}
        runs = {"running": {"startedAt": _BEGAN}}
        container = pod["spec"]["containers"][0]
        status = {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": ended if self.finished.is_set() else runs,
        }
        phase = "Succeeded" if self.finished.is_set() else "Running"
        return {**pod, "status": {"phase": phase, "containerStatuses": [status]}}


@contextmanager
def running_pod_server() -> Iterator[PodServer]:
    """Serve on a free port of this machine until the block ends."""
    pods = PodServer()

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            where = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            status, answer = pods.answer(self.command, where.path, where.query, body)
            text = answer if isinstance(answer, str) else json.dumps(answer)
            kind = "text/plain" if isinstance(answer, str) else "application/json"
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_DELETE = do_PATCH = _do

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as pods.url:
        yield pods
