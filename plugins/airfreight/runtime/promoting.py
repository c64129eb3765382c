"""The rules of `promote` that need no Airflow: may this decision still be carried out, and what it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ulid import ULID

from airfreight.errors import RefusedError
from airfreight.model.base import Variable
from airfreight.model.freight import Freight
from airfreight.model.naming import promotion_name
from airfreight.model.promotion import InflatedStep, Promotion, PromotionPhase, PromotionStatus
from airfreight.model.stage import Stage
from airfreight.runtime.availability import Registers, available, candidate, refuse_automatic
from airfreight.runtime.records import Claim, Decision, Hold, Holding, PromotionRecord, RunRecord
from airfreight.runtime.stage_register import StageRegister


@dataclass(frozen=True)
class Superseded:
    """An automatic decision that is no longer the Stage's own: the run ends as skipped."""

    reason: str


def check_decision(
    decision: Decision,
    freight: Freight,
    stage: Stage,
    digest: str,
    registers: Registers,
    now: datetime,
) -> Superseded | None:
    """Say whether `decision` may be carried out now; raises RefusedError where it may not.

    `digest` is that of the Stage's steps and vars as they are today: a person approved what he was shown, an automatic
    decision takes today's.
    """
    if decision.freight != freight.name or decision.stage != stage.name:
        raise RefusedError("the decision is about another Freight or Stage")
    answer = available(freight.name, freight.content.origin, stage, registers, now)
    if not answer.available:
        raise RefusedError(f"{freight.alias} is not available to {stage.name}: {answer.reason}")
    if decision.decision == "approved" and decision.digest != digest:
        raise RefusedError("the steps changed after the approval; clear the gate to ask again")
    if decision.decision == "automatic":
        refusal = refuse_automatic(freight, stage, registers, now)
        return Superseded(refusal) if refusal is not None else None
    return None


def make_promotion(
    decision: Decision,
    freight: Freight,
    stage: Stage,
    inflated: tuple[tuple[InflatedStep, ...], tuple[Variable, ...]],
    project: str,
    registers: Registers,
    now: datetime,
) -> Promotion:
    """Return the Promotion that a decision becomes; nothing of it changes later."""
    return Promotion(
        name=promotion_name(stage.name, str(ULID.from_datetime(now)), freight.name),
        project=project,
        stage=stage.name,
        freight=freight.name,
        freight_collection=collect_freight(freight, stage, registers),
        steps=inflated[0],
        vars=inflated[1],
        actor=decision.actor,
        rollback=_is_rollback(freight, stage, registers),
        started_at=now.replace(microsecond=0),
    )


def collect_freight(freight: Freight, stage: Stage, registers: Registers) -> dict[str, Freight]:
    """Return origin → Freight: the one promoted and, of every other origin still requested, what the Stage holds.

    What it holds came of its last promotion that succeeded; Kargo would inherit from a failed one (`kargo.md` §4.8).
    """
    current = registers.stages[stage.name].current()
    collection = {}
    for request in stage.requested_freight:
        origin = request.origin
        name = current.items.get(origin.key) if current is not None else None
        held = registers.warehouses[origin.name].freight(name) if name is not None else None
        if held is not None:
            collection[origin.key] = held
    return collection | {freight.content.origin.key: freight}


def _is_rollback(freight: Freight, stage: Stage, registers: Registers) -> bool:
    origin = freight.content.origin
    current = registers.stages[stage.name].current()
    name = current.items.get(origin.key) if current is not None else None
    held = registers.warehouses[origin.name].freight(name) if name is not None else None
    return held is not None and held.discovered_at > freight.discovered_at


def settle_hold(
    promotion: Promotion, stage: Stage, registers: Registers, now: datetime, *, by_hand: bool
) -> None:
    """Set or clear Kargo's hold for a promotion that a person asked for on a Stage that promotes by itself.

    Freight that is not the Stage's candidate sets it, the candidate clears it (`kargo.md` §4.4).
    """
    if not by_hand:
        return
    origin = promotion.target.content.origin
    register = registers.stages[stage.name]
    found = candidate(stage, origin, registers, now)
    if found.entry is not None and found.entry.name == promotion.freight:
        register.clear_hold(origin.key)
        return
    hold = Hold(
        freight=promotion.freight, promotion=promotion.name, actor=promotion.actor, created_at=now
    )
    register.set_hold(origin.key, hold)


def begin(
    promotion: Promotion,
    decision: Decision,
    claim: Claim,
    max_tries: int,
    register: StageRegister,
) -> PromotionRecord:
    """Write a new Promotion into the register, which spends the decision, before anything else happens."""
    record = PromotionRecord(
        promotion=promotion,
        status=PromotionStatus(phase=PromotionPhase.RUNNING, started_at=promotion.started_at),
        dag_id=claim.dag_id,
        run_id=claim.run_id,
    )
    run = RunRecord(nonce=decision.nonce, promotion=promotion.name, max_tries=max_tries)
    register.begin(record, run)
    return record


def arrive(record: PromotionRecord, registers: Registers, now: datetime) -> None:
    """Write down that the Stage holds the promotion's Freight, verified: the Stage has no verification of its own."""
    promotion = record.promotion
    register = registers.stages[promotion.stage]
    holding = Holding(
        items={key: freight.name for key, freight in promotion.freight_collection.items()},
        since=record.status.finished_at or now,
        promotion=promotion.name,
        dag_id=record.dag_id,
        run_id=record.run_id,
    )
    register.arrive(holding)
    for freight in promotion.freight_collection.values():
        register.mark_verified(freight.name, holding.since)
