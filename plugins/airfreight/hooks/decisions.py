"""Decisions of gates, read back from the asset events that only a gate which finishes can write.

A person may post an event over REST: it has no source task. Another DAG's task may emit one: it has another source.
Only events whose source DAG and task are the Stage's own gate count.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow.sdk import Asset, Context
from pydantic import ValidationError

from airfreight.runtime.claim import MadeDecision
from airfreight.runtime.records import Decision
from airfreight.runtime.stage_register import KEPT_SPENT


def read_decision(
    context: Context, log: Asset, dag_id: str, run_id: str, gate: str
) -> MadeDecision | None:
    """Return the last decision of this run's gate, or None where it made none."""
    started = context["dag_run"].start_date
    events = context["inlet_events"][log].ascending(False)
    if started is not None:
        events = events.after(started.isoformat())
    return next((made for made in _made(events, dag_id, gate) if made.run_id == run_id), None)


def decisions_of(context: Context, log: Asset, dag_id: str, gate: str) -> list[MadeDecision]:
    """Return the newest decisions of a Stage's gate, in all runs."""
    newest = context["inlet_events"][log].ascending(False).limit(KEPT_SPENT)
    return list(_made(newest, dag_id, gate))


def _made(events: Any, dag_id: str, gate: str) -> Iterator[MadeDecision]:
    for event in events:
        if event.source_dag_id != dag_id or event.source_task_id != gate:
            continue
        try:
            decision = Decision.model_validate(event.extra)
        except ValidationError:
            continue
        yield MadeDecision(decision, dag_id, event.source_run_id, event.timestamp)
