"""A step context over a real work directory, without logins; loopback is open."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from airfreight.artifacts.guarded_http import guarded_client
from airfreight.model.credential import Credential
from airfreight.steps.base import StepContext, StepSettings
from airfreight.steps.workdir import WorkDirectory


class NoCredentials:
    def find(self, kind: str, url: str) -> Credential | None:
        return None


def context_at(root: Path) -> StepContext:
    return StepContext(
        project="shop",
        stage="prod",
        promotion="prod.1.abc",
        alias="step-1",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        workdir=WorkDirectory(root),
        credentials=NoCredentials(),
        settings=StepSettings(allow_loopback=True),
        http=partial(guarded_client, allow_loopback=True),
        log=logging.getLogger("test"),
        check_fence=lambda: None,
    )
