"""What a gate does at each look: wait, close, ask a person, or decide (design, "A gate decides, `promote` checks")."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from airfreight.model.freight import Freight
from airfreight.model.stage import Stage
from airfreight.runtime.availability import Registers, available, refuse_automatic
from airfreight.runtime.records import DecisionKind, OpenRequest


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run from the run itself, which nobody can edit later.

    `by_hand`: a person triggered it; `actor` names that person.
    """

    dag_id: str
    run_id: str
    by_hand: bool
    actor: str


@dataclass(frozen=True)
class Question:
    """One look of a gate.

    `auto_promotes`: the project's policy for the Stage. `keeps_requests`: the Stage's annotation that leaves older
    requests open. `upstreams_ended`: nothing in this run can make the Freight available any more.
    """

    stage: Stage
    freight: Freight
    run: RunFacts
    auto_promotes: bool
    keeps_requests: bool
    upstreams_ended: bool


@dataclass(frozen=True)
class Wait:
    """Look again at `until`; None means as soon as an upstream may have moved."""

    until: datetime | None
    reason: str


@dataclass(frozen=True)
class Close:
    """Nothing to do for this Freight in this run."""

    reason: str


@dataclass(frozen=True)
class Ask:
    """A person has to answer."""


@dataclass(frozen=True)
class Decide:
    """Go on to promote."""

    decision: DecisionKind
    actor: str
    reason: str


Look = Wait | Close | Ask | Decide


def look(question: Question, registers: Registers, now: datetime) -> Look:
    """Say what the gate does now."""
    stage, freight, run = question.stage, question.freight, question.run
    answer = available(freight.name, freight.content.origin, stage, registers, now)
    if not answer.available:
        if answer.ready_at is not None:
            return Wait(answer.ready_at, answer.reason)
        if question.upstreams_ended:
            return Close(f"not available to {stage.name}: {answer.reason}")
        return Wait(None, answer.reason)
    if question.auto_promotes:
        return _look_for_automatic(question, registers, now, answer.reason)
    return _look_for_person(freight, stage, run, registers, keeps=question.keeps_requests)


def _look_for_automatic(
    question: Question, registers: Registers, now: datetime, reason: str
) -> Look:
    if question.run.by_hand:
        return Decide("by hand", question.run.actor, "asked for by hand")
    refusal = refuse_automatic(question.freight, question.stage, registers, now)
    return Close(refusal) if refusal is not None else Decide("automatic", "", reason)


def _look_for_person(
    freight: Freight, stage: Stage, run: RunFacts, registers: Registers, *, keeps: bool
) -> Look:
    # A run by hand names this Freight on purpose: it is no part of the order in which Freight was found.
    if run.by_hand:
        return Ask()
    register = registers.stages[stage.name]
    current = register.current()
    if current is not None and current.items.get(freight.content.origin.key) == freight.name:
        return Close(f"{stage.name} holds it already")
    request = OpenRequest(
        freight=freight.name,
        alias=freight.alias,
        discovered_at=freight.discovered_at,
        run_id=run.run_id,
    )
    newest = register.ask(freight.content.origin.key, request)
    if newest.freight != freight.name and not keeps:
        return Close(f"superseded by {newest.alias}, which asks for {stage.name} now")
    return Ask()
