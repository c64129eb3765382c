from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from airfreight.artifacts.argocd.api import Api
from airfreight.artifacts.argocd.applications import Applications
from airfreight.artifacts.argocd.kubernetes import KubernetesApplications
from airfreight.artifacts.argocd.rest import RestApplications
from airfreight.steps.argocd_update import ArgocdUpdateConfig, ArgocdUpdateStep
from airfreight.steps.argocd_wait import ArgocdWaitConfig, ArgocdWaitStep
from airfreight.steps.base import StepContext, StepResult
from tests.argocd_server import TOKEN, ArgocdServer, serving
from tests.steps.files import context_at

PROMOTION = "prod.1.abc"


@dataclass
class Bench:
    """Runs steps of one Promotion through one of the two doors."""

    server: ArgocdServer
    door: Callable[[Api, str], Applications]
    root: Path
    actor: str = ""
    token: str = TOKEN
    check_fence: Callable[[], None] = lambda: None

    def context(self, previous: Mapping[str, Any] | None = None) -> StepContext:
        return replace(
            context_at(self.root),
            actor=self.actor,
            argocd=self.open,
            previous_output=previous,
            check_fence=self.check_fence,
            log=logging.getLogger("tests.argocd"),
        )

    @contextmanager
    def open(self) -> Iterator[Applications]:
        headers = {"Authorization": f"Bearer {self.token}"}
        # Plain http: reading all authorities of the world for it takes most of a test's time.
        with httpx.Client(
            base_url=self.server.url, headers=headers, timeout=10, verify=False
        ) as client:
            yield self.door(Api(client, "the server", self.token), "argocd")

    def update(self, *apps: dict[str, Any]) -> StepResult:
        config = ArgocdUpdateConfig.model_validate({"apps": list(apps or ({"name": "web"},))})
        return ArgocdUpdateStep().run(config, self.context())

    def wait(self, *apps: dict[str, Any], previous: Mapping[str, Any] | None = None) -> StepResult:
        config = ArgocdWaitConfig.model_validate({"apps": list(apps or ({"name": "web"},))})
        return ArgocdWaitStep().run(config, self.context(previous))


@pytest.fixture
def server() -> Iterator[ArgocdServer]:
    with serving() as server:
        yield server


@pytest.fixture(params=[KubernetesApplications, RestApplications], ids=["kubernetes", "rest"])
def bench(request: pytest.FixtureRequest, server: ArgocdServer, tmp_path: Path) -> Bench:
    """Through each door in turn."""
    return Bench(server, request.param, tmp_path)


@pytest.fixture
def cluster(server: ArgocdServer, tmp_path: Path) -> Bench:
    return Bench(server, KubernetesApplications, tmp_path)


@pytest.fixture
def rest(server: ArgocdServer, tmp_path: Path) -> Bench:
    return Bench(server, RestApplications, tmp_path)
