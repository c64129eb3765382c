"""A Promotion: what it is (never changed) and how far it got (`kargo.md` §1.7, §2.1)."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field

from airfreight.model.base import Model, Variable
from airfreight.model.freight import Freight
from airfreight.model.stage import RetryPolicy
from airfreight.model.waiting import Wait


class StepStatus(StrEnum):
    """Where a step stands; `SEVERITY` gives Kargo's order."""

    SUCCEEDED = "Succeeded"
    SKIPPED = "Skipped"
    RUNNING = "Running"
    ABORTED = "Aborted"
    FAILED = "Failed"
    ERRORED = "Errored"


SEVERITY = tuple(StepStatus)


class PromotionPhase(StrEnum):
    """Where a Promotion stands."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ERRORED = "Errored"
    ABORTED = "Aborted"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more happens."""
        return self not in (PromotionPhase.PENDING, PromotionPhase.RUNNING)


class InflatedStep(Model):
    """A step with its task already put in its place.

    `alias` is full (``task-1::step-1`` within a task); `task_alias` is empty outside a task.
    """

    uses: str
    alias: str
    task_alias: str = ""
    if_: str = Field(default="", alias="if")
    continue_on_error: bool = False
    retry: RetryPolicy = RetryPolicy()
    vars: tuple[Variable, ...] = ()
    config: dict[str, Any] = Field(default_factory=dict)


class Promotion(Model):
    """One promotion of one Freight to one Stage, frozen when it begins.

    `freight_collection` maps an origin's key to the Freight of that origin: the one promoted and the inherited ones.
    `started_at` dates commits and tags, so that a repeated run makes the same ones.
    """

    name: str
    project: str
    stage: str
    freight: str
    freight_collection: dict[str, Freight]
    steps: tuple[InflatedStep, ...]
    vars: tuple[Variable, ...] = ()
    actor: str = ""
    rollback: bool = False
    started_at: datetime

    @property
    def target(self) -> Freight:
        """The Freight that is promoted."""
        return next(f for f in self.freight_collection.values() if f.name == self.freight)


class StepExecution(Model):
    """How one step went so far; times are UTC.

    Of one that waits `message` is its last answer, `attempts` how often it ran and `next_try_at` when it runs again.
    `health_check` is what a step that succeeded left behind for the Stage's health (`kargo.md` §2.9). `deliveries`
    counts the answers and events that the step was given.
    """

    alias: str
    uses: str = ""
    status: StepStatus = StepStatus.RUNNING
    started_at: datetime | None = None
    finished_at: datetime | None = None
    attempts: int = 0
    next_try_at: datetime | None = None
    error_count: int = 0
    message: str = ""
    continue_on_error: bool = False
    health_check: dict[str, Any] | None = None
    deliveries: int = 0


class PromotionStatus(Model):
    """How far a Promotion got; `state` maps a step's alias to its output.

    `retry_after` says when a step that waits is looked at again; `waits_for` what may come before.
    """

    phase: PromotionPhase = PromotionPhase.PENDING
    message: str = ""
    current_step: int = 0
    executions: tuple[StepExecution, ...] = ()
    state: dict[str, Any] = Field(default_factory=dict)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    retry_after: timedelta | None = None
    waits_for: Wait | None = None
