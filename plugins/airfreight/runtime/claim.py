"""One promotion at a time in a Stage: who has to wait for whom (design, "One at a time")."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from airfreight.runtime.engine import abort
from airfreight.runtime.records import Claim, Decision
from airfreight.runtime.stage_register import KEPT_SPENT, StageRegister


@dataclass(frozen=True)
class MadeDecision:
    """A decision and the run whose gate made it; `at` is when the gate's event was written."""

    decision: Decision
    dag_id: str
    run_id: str
    at: datetime


def goes_first(
    mine: MadeDecision,
    decisions: Iterable[MadeDecision],
    register: StageRegister,
    has_ended: Callable[[str, str], bool],
) -> tuple[str, ...]:
    """Return the runs that go before `mine`, the claimant's first; none where it is `mine`'s turn.

    `has_ended(dag_id, run_id)` says whether that run's promote and verify of this Stage will do nothing more.
    A claim whose claimant has ended is void: nothing needs releasing after a crash.

    Looks at the newest 100 decisions, every one of them: an unspent one may stand behind spent ones, such as that of a
    run which had ended and was cleared. One key tells most spent ones, so only the others cost a read each.
    """
    first: dict[str, None] = {}
    claim = register.claim()
    if (
        claim is not None
        and claim.run_id != mine.run_id
        and not has_ended(claim.dag_id, claim.run_id)
    ):
        first[claim.run_id] = None
    spent = frozenset(register.spent())
    for other in _latest_of_each_run(decisions):
        if other.run_id in (mine.run_id, *first) or other.at >= mine.at:
            continue
        if other.decision.nonce in spent:
            continue
        if not is_spent(other, register) and not has_ended(other.dag_id, other.run_id):
            first[other.run_id] = None
    return tuple(first)


def _latest_of_each_run(decisions: Iterable[MadeDecision]) -> list[MadeDecision]:
    """Return those of the newest 100, oldest first.

    A run's later decision stands for its earlier ones, which its gate made before somebody cleared it.
    """
    newest = sorted(decisions, key=lambda made: made.at)[-KEPT_SPENT:]
    latest = {made.run_id: made for made in newest}
    return list(latest.values())


def is_spent(made: MadeDecision, register: StageRegister) -> bool:
    """Say whether a Promotion came of this decision already."""
    record = register.run(made.run_id)
    return record is not None and record.nonce == made.decision.nonce


def take(claim: Claim, register: StageRegister, now: datetime) -> str | None:
    """Give the Stage to `claim`; return the Promotion of the void claim before it that was left unfinished.

    That may be one of the same run, whose task somebody cleared.

    Its process is gone (killed, marked failed): it ends as Aborted, so that nobody reads it as running.
    """
    before = register.claim()
    left = None
    if before is not None and before.promotion != claim.promotion:
        record = register.promotion(before.promotion)
        if record is not None and not record.status.phase.is_terminal:
            status = abort(record.status, lambda: now, "its task ended before it did")
            register.save(record.model_copy(update={"status": status}))
            left = before.promotion
    register.set_claim(claim)
    return left
