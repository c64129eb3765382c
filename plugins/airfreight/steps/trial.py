"""A context to try one step in: at a desk, and in the tests of step kinds."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from airfreight.artifacts.guarded_http import guarded_client
from airfreight.model.credential import Credential
from airfreight.steps.base import StepContext, StepSettings
from airfreight.steps.workdir import WorkDirectory


class _NoLogins:
    def find(self, kind: str, url: str) -> Credential | None:  # noqa: ARG002 - the protocol's names
        return None


def trial_context(folder: Path, *, allow_loopback: bool = False) -> StepContext:
    """Return a context over `folder` as work directory, without logins; `dataclasses.replace` changes the rest."""
    return StepContext(
        project="project",
        stage="stage",
        promotion="promotion",
        alias="step-1",
        started_at=datetime.now(UTC),
        workdir=WorkDirectory(folder),
        credentials=_NoLogins(),
        settings=StepSettings(allow_loopback=allow_loopback),
        http=partial(guarded_client, allow_loopback=allow_loopback),
        log=logging.getLogger(__name__),
        check_fence=lambda: None,
    )
