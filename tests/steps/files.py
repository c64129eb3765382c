"""A step context over a real work directory, without logins; loopback is open."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from airfreight.steps.base import StepContext
from airfreight.steps.trial import trial_context


def context_at(root: Path) -> StepContext:
    return replace(
        trial_context(root, allow_loopback=True),
        project="shop",
        stage="prod",
        promotion="prod.1.abc",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
