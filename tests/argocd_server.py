"""A server that keeps Applications and answers as Kubernetes' API and as Argo CD's own REST API, over HTTP.

It has no controller: a test says what the controller does next, with `begin`, `finish` and `change`.
"""

from __future__ import annotations

import copy
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.serving import QuietHandler, running

TOKEN = "t0ken/of+the=cluster"
COMMIT = "c0ffee" + "0" * 34

_KUBERNETES = re.compile(
    r"/apis/argoproj\.io/v1alpha1/namespaces/([^/]+)/applications(?:/([^/]+))?"
)
_REST = re.compile(r"/api/v1/applications(?:/([^/]+)(/sync|/syncwindows)?)?")

Answer = tuple[int, dict[str, Any]]


@dataclass
class ArgocdServer:
    """`begun` has each operation that was taken, `asked` each request.

    `meanwhile` are done one before each change that is asked for. `losing` says how many answers to changes get lost
    on their way. `refusing` is the answer to every change, where there is one.
    """

    url: str = ""
    apps: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    windows: dict[str, Any] = field(default_factory=lambda: {"canSync": True})
    begun: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    meanwhile: list[Callable[[], object]] = field(default_factory=list)
    losing: int = 0
    refusing: Answer | None = None
    version: int = 1
    lock: threading.RLock = field(default_factory=threading.RLock)

    def add(self, name: str = "web", namespace: str = "argocd", **parts: Any) -> dict[str, Any]:
        """Add an Application that Stage prod of shop may change; `parts` are merged over it."""
        app: dict[str, Any] = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "annotations": {"kargo.akuity.io/authorized-stage": "shop:prod"},
            },
            "spec": {
                "project": "default",
                "source": {
                    "repoURL": "https://git.example.com/shop/gitops.git",
                    "path": "prod",
                    "targetRevision": "main",
                },
            },
            "status": {"health": {"status": "Healthy"}, "sync": {"status": "Synced"}},
        }
        self.apps[namespace, name] = app
        self.change(parts, name, namespace)
        return app

    def change(
        self, patch: dict[str, Any], name: str = "web", namespace: str = "argocd"
    ) -> dict[str, Any]:
        """Merge `patch` into an Application, as anybody may at any time."""
        with self.lock:
            app = self.apps[namespace, name]
            merged = merge(app, patch)
            app.clear()
            app.update(merged)
            self.version += 1
            app["metadata"]["resourceVersion"] = str(self.version)
            return app

    def begin(self, name: str = "web") -> None:
        """Begin the operation that was asked for."""
        operation = self.apps["argocd", name]["operation"]
        state = {"phase": "Running", "operation": operation}
        self.change({"status": {"operationState": state}}, name)

    def finish(self, phase: str = "Succeeded", name: str = "web", **state: Any) -> None:
        """End the operation, begun or not."""
        app = self.apps["argocd", name]
        operation = app.get("operation") or app["status"]["operationState"]["operation"]
        ended = {
            "phase": phase,
            "operation": operation,
            "finishedAt": "2026-01-01T10:00:00Z",
            "syncResult": {"revision": COMMIT},
            **state,
        }
        reconciled = {"operationState": ended, "reconciledAt": "2026-01-01T10:00:01Z"}
        self.change({"operation": None, "status": reconciled}, name)

    def answer(self, method: str, target: str, body: bytes, kind: str, token: str) -> Answer:
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.asked.append(f"{method} {parts.path}")
        if token != f"Bearer {TOKEN}":
            return 401, {"message": f"Unauthorized: {token}"}
        if method != "GET":
            if self.meanwhile:
                self.meanwhile.pop(0)()
            if self.refusing is not None:
                return self.refusing
        document = json.loads(body) if body else {}
        if found := _KUBERNETES.fullmatch(parts.path):
            return self._kubernetes(method, found[1], found[2], query, document, kind)
        if found := _REST.fullmatch(parts.path):
            return self._rest(method, found[1], found[2], query, document)
        return 404, {"message": "no such path"}

    def _kubernetes(
        self,
        method: str,
        namespace: str,
        name: str | None,
        query: dict[str, str],
        body: dict[str, Any],
        kind: str,
    ) -> Answer:
        if name is None:
            return 200, {"items": self._selected(namespace, query["labelSelector"])}
        app = self.apps.get((namespace, unquote(name)))
        if app is None:
            return 404, {"message": f'applications.argoproj.io "{name}" not found'}
        if method == "GET":
            return 200, app
        if kind != "application/merge-patch+json":
            return 415, {"message": f"{kind} is not supported"}
        wanted = body.get("metadata", {}).get("resourceVersion")
        if wanted not in (None, app["metadata"]["resourceVersion"]):
            return 409, {"message": "the object has been modified"}
        if "operation" in body:
            self.begun.append(body["operation"])
        return 200, self.change(body, name, namespace)

    def _rest(
        self,
        method: str,
        name: str | None,
        action: str | None,
        query: dict[str, str],
        body: dict[str, Any],
    ) -> Answer:
        namespace = query.get("appNamespace") or body.get("appNamespace") or "argocd"
        if name is None:
            return 200, {"items": self._selected(namespace, query["selector"]) or None}
        app = self.apps.get((namespace, unquote(name)))
        if app is None:
            return 404, {"error": "not found", "message": "not found"}
        if action == "/syncwindows":
            return 200, self.windows
        if action == "/sync":
            return self._sync(app, body)
        if method == "PATCH":
            return self._patch(app, body)
        if query.get("refresh"):
            self.change({"status": {"reconciledAt": "2026-01-01T10:00:09Z"}}, name, namespace)
        return 200, app

    def _sync(self, app: dict[str, Any], body: dict[str, Any]) -> Answer:
        if app.get("operation"):
            return 400, {"message": "another operation is already in progress"}
        operation = {
            "initiatedBy": {"username": "ci"},
            "info": body["infos"],
            "sync": {"syncOptions": body.get("syncOptions", {}).get("items")},
            "retry": body.get("retryStrategy"),
        }
        self.begun.append(operation)
        metadata = app["metadata"]
        patch = {"operation": operation, "status": {"operationState": None}}
        return 200, self.change(patch, metadata["name"], metadata["namespace"])

    def _patch(self, app: dict[str, Any], body: dict[str, Any]) -> Answer:
        test, replace = json.loads(body["patch"])
        *_, field_name = test["path"].split("/")
        if app["spec"].get(field_name) != test["value"]:
            return 500, {"message": "error applying patch: test failed"}
        metadata = app["metadata"]
        app["spec"][field_name] = replace["value"]
        return 200, self.change({}, metadata["name"], metadata["namespace"])

    def _selected(self, namespace: str, selector: str) -> list[dict[str, Any]]:
        conditions = re.findall(r"(?:[^,(]|\([^)]*\))+", selector)
        return [
            app
            for (where, _), app in sorted(self.apps.items(), reverse=True)
            if where == namespace and all(_holds(app, condition) for condition in conditions)
        ]


def merge(target: Any, patch: Any) -> Any:
    """Return `target` with JSON merge patch `patch` (RFC 7396)."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def _holds(app: dict[str, Any], condition: str) -> bool:
    labels = app["metadata"].get("labels", {})
    if found := re.fullmatch(r"(\S+) (in|notin) \((.*)\)", condition):
        key, operator, values = found.groups()
        return (labels.get(key) in values.split(",")) == (operator == "in")
    key, equals, value = condition.partition("=")
    if equals:
        return bool(labels.get(key) == value)
    return key[1:] not in labels if key.startswith("!") else key in labels


def kubeconfig(url: str, **user: str) -> dict[str, Any]:
    """Return a kubeconfig whose only user has these fields."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": user}],
    }


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[ArgocdServer]:
    """Serve on a free port of this machine, with `tls` over https."""
    state = ArgocdServer()

    class Handler(QuietHandler):
        def handle_request(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            if len(body) < length:  # half a request is none
                return
            kind = self.headers.get("Content-Type") or ""
            token = self.headers.get("Authorization") or ""
            with state.lock:
                status, document = state.answer(self.command, self.path, body, kind, token)
                content = json.dumps(document).encode()
            if self.command != "GET" and state.losing:
                state.losing -= 1
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = handle_request

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    with running(server) as url:
        state.url = url.replace("http:", "https:") if tls else url
        yield state
