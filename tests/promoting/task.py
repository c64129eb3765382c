"""A promotion's task in a process of its own: what `PromoteOperator` does with a Promotion, without Airflow.

Run as a program this is the nursery: it has everything imported and no threads, reads one `Task` per line, forks for
each and prints the process's id.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from airfreight.artifacts.argocd.api import Api
from airfreight.artifacts.argocd.applications import Applications
from airfreight.artifacts.argocd.kubernetes import KubernetesApplications
from airfreight.artifacts.argocd.rest import RestApplications
from airfreight.artifacts.guarded_http import guarded_client
from airfreight.artifacts.tls import tls_context
from airfreight.expr.program import compile_expression
from airfreight.model.credential import Credential
from airfreight.model.promotion import InflatedStep, Promotion, PromotionStatus
from airfreight.runtime.engine import PromotionEngine
from airfreight.runtime.fence import Fence
from airfreight.runtime.functions import Sources
from airfreight.runtime.records import PromotionRecord
from airfreight.runtime.stage_register import StageRegister
from airfreight.runtime.work import PromotionWork
from airfreight.runtime.workspace import Workspace
from airfreight.steps.base import StepContext, StepSettings
from airfreight.steps.builtin import builtin_steps
from airfreight.steps.git_merge_pr import GitMergePRStep
from airfreight.steps.git_open_pr import GitOpenPRStep
from airfreight.steps.github_push import GitHubPushStep
from airfreight.steps.registry import StepRegistry
from airfreight.steps.workdir import WorkDirectory
from tests.argocd_server import TOKEN as ARGOCD_TOKEN
from tests.steps.pull_requests.hosting.here import service_here

TOKEN = "gh5_s3cret-token"
_DOORS: Mapping[str, Callable[[Api, str], Applications]] = {
    "kubernetes": KubernetesApplications,
    "rest": RestApplications,
}


@dataclass(frozen=True)
class Task:
    """Which Promotion to go on with, by the register at `register`, and where.

    `workspace` is the worker's own folder, `kept` is shared by all. `argocd` has the door and the server's URL.
    """

    register: str
    promotion: str
    workspace: str
    kept: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    argocd: tuple[str, str] = ("kubernetes", "")


class RemoteStore:
    """A Stage's keys behind HTTP, as a task has them in Airflow."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(
            base_url=url, trust_env=False, timeout=60, verify=tls_context(verify=True)
        )

    def get(self, key: str) -> Any:
        return self._http.get(quote(key)).raise_for_status().json()

    def set(self, key: str, value: Any) -> None:
        self._http.put(quote(key), json=value).raise_for_status()

    def delete(self, key: str) -> None:
        self._http.delete(quote(key)).raise_for_status()


class OneLogin:
    """The token for every Git repository, and no login for registries."""

    def find(self, kind: str, url: str) -> Credential | None:
        return Credential("bot", TOKEN) if kind == "git" else None


def carry_out(task: Task) -> PromotionRecord:
    """Run the Promotion until it ends or waits."""
    register = StageRegister(RemoteStore(task.register))
    fence = Fence(register, uuid.uuid4().hex)
    fence.enter()
    record = register.promotion(task.promotion)
    assert record is not None
    steps = _steps()
    return PromotionWork(
        record=record,
        fence=fence,
        workspace=Workspace(Path(task.workspace)),
        kept=lambda: Path(task.kept) / f"{task.promotion}.tar",
        steps=steps,
        engine_for=partial(_engine, task, steps, fence),
        clock=lambda: datetime.now(UTC),
    ).run()


def _steps() -> StepRegistry:
    """Return all steps; those that talk to a service that hosts repositories find it on this machine."""
    local = (
        GitHubPushStep(provider=lambda _: "github"),
        GitOpenPRStep(service_for=service_here),
        GitMergePRStep(service_for=service_here),
    )
    kinds = {step.kind for step in local}
    return StepRegistry((*(step for step in builtin_steps() if step.kind not in kinds), *local))


def _engine(
    task: Task,
    steps: StepRegistry,
    fence: Fence,
    workdir: WorkDirectory,
    save_progress: Callable[[PromotionStatus], object],
) -> PromotionEngine:
    return PromotionEngine(
        registry=steps,
        context_for=partial(_context, task, fence, workdir),
        clock=lambda: datetime.now(UTC),
        sleep=time.sleep,
        save_progress=save_progress,
        on_step=lambda alias, event, message: None,
        sources=Sources(),
        ui_base_url="",
        longest=timedelta(days=7),
    )


def _context(
    task: Task,
    fence: Fence,
    workdir: WorkDirectory,
    step: InflatedStep,
    promotion: Promotion,
    previous: Mapping[str, Any] | None,
) -> StepContext:
    return StepContext(
        project=promotion.project,
        stage=promotion.stage,
        promotion=promotion.name,
        alias=step.alias,
        started_at=promotion.started_at,
        workdir=workdir,
        credentials=OneLogin(),
        settings=StepSettings(
            allow_loopback=True, allow_credentials_over_http=True, **task.settings
        ),
        http=partial(guarded_client, allow_loopback=True),
        log=logging.getLogger("tests.promoting"),
        check_fence=fence.check,
        previous_output=previous,
        argocd=partial(_open_argocd, *task.argocd),
    )


@contextmanager
def _open_argocd(door: str, url: str) -> Iterator[Applications]:
    headers = {"Authorization": f"Bearer {ARGOCD_TOKEN}"}
    tls = tls_context(verify=True)
    with httpx.Client(
        base_url=url, headers=headers, timeout=60, trust_env=False, verify=tls
    ) as client:
        yield _DOORS[door](Api(client, "the server", ARGOCD_TOKEN), "argocd")


def _raise_children() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they ended: the register tells
    # Once for all children: the certificates, and the parser of expressions, half a second each time.
    tls_context(verify=True)
    compile_expression("nil")
    for line in sys.stdin:
        child = os.fork()
        if not child:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            carry_out(Task(**json.loads(line)))
            os._exit(0)
        print(child, flush=True)


if __name__ == "__main__":
    _raise_children()
