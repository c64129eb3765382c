"""`airfreight plan` at a desk: manifests in a folder, a register over REST, a Git server that takes no push."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from airfreight.model.freight import Freight
from tests.cli.rest import Rest
from tests.git_http import GitHttpServer
from tests.runtime.memory import Pipeline

PASSWORD = "hunter2-and-more"
CONNECTION = {"conn_type": "generic", "login": "ci", "password": PASSWORD}


class Desk:
    """Project ``shop`` with Warehouses ``web`` and ``api``, Stages ``dev`` and ``prod``, and repository ``gitops``.

    `requested`: what prod requests. `task`: the steps of PromotionTask ``ship``. `connection`: the login of the
    repository. `requests`: what came to the HTTP server.
    """

    def __init__(self, root: Path, server: GitHttpServer) -> None:
        self.server = server
        self.manifests = root / "pipelines" / "shop"
        self.work = root / "work"
        self.pipeline = Pipeline(stages=("dev", "prod"))
        self.freight: Freight = self.pipeline.find("1.2.3")
        self.pipeline.verify("dev", self.freight, hour=1)
        self.requests: list[str] = []
        server.create("gitops", {"prod/values.yaml": "image:\n  tag: 1.0.0\n"})
        server.api = self._api
        server.read_only = True
        server.writes = 0
        self.connection = "airfreight_shop_gitops"
        self.requested = ["web"]
        self.task: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        """Where the repository is."""
        return self.server.url("gitops")

    @property
    def api(self) -> str:
        """Where an HTTP server is that counts."""
        return self.server.url("gitops").rpartition("/")[0] + "/api"

    def clone(self, *checkouts: Mapping[str, Any], **config: Any) -> dict[str, Any]:
        """Return a git-clone step; by default of branch main into ``work``."""
        listed = list(checkouts) or [{"path": "work"}]
        return step("git-clone", "clone", repoURL=self.url, checkout=listed, **config)

    def edit(self) -> list[dict[str, Any]]:
        """Return the steps that clone, set the tag and commit."""
        updates = [
            {"key": "image.tag", "value": '${{ quote(imageFrom("registry.example/web").Tag) }}'}
        ]
        message = "Promote ${{ ctx.targetFreight.alias }} to ${{ ctx.stage }}"
        return [
            self.clone(),
            step("yaml-update", "update", path="work/prod/values.yaml", updates=updates),
            step("git-commit", "commit", path="work", message=message),
        ]

    def plan(
        self,
        steps: Sequence[Mapping[str, Any]],
        *words: str,
        project: str = "shop",
        **prod: Any,
    ) -> tuple[int, str, str]:
        """Return the exit code of the plan of these steps of prod, and what was printed; `prod` adds to its spec."""
        self.write(steps, **prod)
        if "--stage" not in words:
            words = (*words, "--stage", "prod")
        if not {"--freight", "--freight-alias"} & {*words}:
            words = (*words, "--freight", self.freight.alias)
        folder = str(self.manifests.parent)
        return Rest(self.pipeline).run("plan", project, *words, "--pipelines", folder)

    def write(self, steps: Sequence[Mapping[str, Any]], **prod: Any) -> None:
        """Write the project's manifests."""
        template = {"spec": {"steps": [dict(step) for step in steps]}}
        documents = [
            _manifest("Warehouse", "web", {"subscriptions": [_image("web")]}),
            _manifest("Warehouse", "api", {"subscriptions": [_image("api")]}),
            _stage("dev", ["web"], {"direct": True}, promotionTemplate=template),
            _stage(
                "prod",
                self.requested,
                {"stages": ["dev"]},
                **{"promotionTemplate": template, **prod},
            ),
            _manifest("PromotionTask", "ship", {"steps": self.task or [step("fail", "no")]}),
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "name": "gitops",
                    "labels": {"kargo.akuity.io/cred-type": "git"},
                    "annotations": {"airfreight/connection": self.connection},
                },
                "stringData": {"repoURL": self.url},
            },
        ]
        self.manifests.mkdir(parents=True, exist_ok=True)
        (self.manifests / "shop.yaml").write_text(yaml.safe_dump_all(documents))

    def traces(self) -> tuple[int, list[Path]]:
        """Return how often somebody tried to push, and what is left of work directories."""
        return self.server.writes, list(self.work.iterdir()) if self.work.exists() else []

    def _api(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Any]:
        self.requests.append(f"{method} {path}")
        return 200, {"ready": True}


def environment(work: Path) -> dict[str, str]:
    """Return the environment of the command: settings, and the Connection of the Git server."""
    return {
        "AIRFLOW__AIRFREIGHT__ALLOW_LOOPBACK": "true",
        "AIRFLOW__AIRFREIGHT__ALLOW_CREDENTIALS_OVER_HTTP": "true",
        "AIRFLOW__AIRFREIGHT__WORKSPACE_FOLDER": str(work),
        "AIRFLOW_CONN_AIRFREIGHT_SHOP_GITOPS": json.dumps(CONNECTION),
    }


def step(uses: str, alias: str, /, **config: Any) -> dict[str, Any]:
    """Return a step as manifests have it."""
    return {"uses": uses, "as": alias, "config": config}


def _image(name: str) -> dict[str, Any]:
    return {"image": {"repoURL": f"registry.example/{name}"}}


def _manifest(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    head = {"apiVersion": "kargo.akuity.io/v1alpha1", "kind": kind, "metadata": {"name": name}}
    return {**head, "spec": dict(spec)}


def _stage(
    name: str, origins: Sequence[str], sources: Mapping[str, Any], **spec: Any
) -> dict[str, Any]:
    requests = [
        {"origin": {"kind": "Warehouse", "name": origin}, "sources": dict(sources)}
        for origin in origins
    ]
    given = {field: value for field, value in spec.items() if value is not None}
    return _manifest("Stage", name, {"requestedFreight": requests, **given})
