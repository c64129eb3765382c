"""A Stage's register: what it holds, what it verified, who approved, who may promote (design, "The register").

Keys: ``fence`` is written by every process that enters the Stage's `promote`. ``current``, ``history`` (10), ``claim``,
``promotions`` (20 summaries), ``promotion/<name>``, ``run/<run id>``, ``spent`` (100 nonces), ``events`` (50) and
``hold/<origin>`` are written by the task that holds the Stage's claim; ``verified/<freight>`` by it and by
`forward`; ``approved/<freight>`` by the run that approves; ``request/<origin>`` and ``closed/<run id>`` by gates;
``offer/<origin>`` by the Warehouse's DAG; ``abort/<run id>`` by the run that aborts, which
also writes ``fence`` and ends the Promotion.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from airfreight.model.audit import AuditEvent
from airfreight.model.base import Model
from airfreight.model.promotion import PromotionStatus
from airfreight.runtime.records import (
    AbortRequest,
    Approved,
    Claim,
    ClosedGate,
    Hold,
    Holding,
    Offer,
    OpenRequest,
    PromotionRecord,
    PromotionSummary,
    RunRecord,
    Verified,
)
from airfreight.runtime.store import ReadOnce, StateStore

KEPT_HISTORY = 10
KEPT_PROMOTIONS = 20
KEPT_SPENT = 100
KEPT_EVENTS = 50

RecordT = TypeVar("RecordT", bound=Model)


class StageRegister:
    """Reads and writes one Stage's keys."""

    def __init__(self, store: StateStore) -> None:
        self._store = store

    def at_once(self) -> StageRegister:
        """Return this register for a decision that takes a moment: it reads each key once."""
        return StageRegister(ReadOnce(self._store))

    def _read(self, key: str, kind: type[RecordT]) -> RecordT | None:
        stored = self._store.get(key)
        return None if stored is None else kind.model_validate(stored)

    def _write(self, key: str, record: Model) -> None:
        self._store.set(key, record.model_dump(mode="json", by_alias=True))

    def current(self) -> Holding | None:
        """Return what the Stage holds."""
        return self._read("current", Holding)

    def freight_in_use(self, origin: str) -> set[str]:
        """Return the names of the Freight that must not be forgotten: held, being promoted, or asking a person."""
        current, request = self.current(), self.request(origin)
        names = set(current.items.values()) if current is not None else set()
        names |= {row.freight for row in self.promotions() if not row.phase.is_terminal}
        return names | ({request.freight} if request is not None else set())

    def history(self) -> tuple[Holding, ...]:
        """Return what the Stage held, newest first, the present one included; at most 10."""
        return tuple(Holding.model_validate(row) for row in self._store.get("history") or ())

    def verified(self, freight: str) -> Verified | None:
        """Return when the Stage verified this Freight."""
        return self._read(f"verified/{freight}", Verified)

    def mark_verified(self, freight: str, now: datetime) -> None:
        """Write down that the Stage verified this Freight; the first time stays."""
        if self.verified(freight) is None:
            self._write(f"verified/{freight}", Verified(verified_at=now))

    def approved(self, freight: str) -> Approved | None:
        """Return who approved this Freight for the Stage."""
        return self._read(f"approved/{freight}", Approved)

    def approve(self, freight: str, actor: str, now: datetime) -> None:
        """Make this Freight available to the Stage; the first approval stays."""
        if self.approved(freight) is None:
            self._write(f"approved/{freight}", Approved(approved_at=now, approved_by=actor))

    def hold(self, origin: str) -> Hold | None:
        """Return what keeps the Stage from being auto-promoted for this origin."""
        return self._read(f"hold/{origin}", Hold)

    def set_hold(self, origin: str, hold: Hold) -> None:
        """Keep the Stage from being auto-promoted for this origin."""
        self._write(f"hold/{origin}", hold)

    def clear_hold(self, origin: str) -> None:
        """Let the Stage be auto-promoted for this origin again."""
        self._store.delete(f"hold/{origin}")

    def request(self, origin: str) -> OpenRequest | None:
        """Return the newest Freight of this origin that asks a person."""
        return self._read(f"request/{origin}", OpenRequest)

    def ask(self, origin: str, request: OpenRequest) -> OpenRequest:
        """Write down that a Freight asks a person, unless a newer one does; return the newest."""
        newest = self.request(origin)
        if newest is not None and _rank(newest) >= _rank(request):
            return newest
        self._write(f"request/{origin}", request)
        return request

    def offer(self, origin: str) -> Offer | None:
        """Return the last run for Freight of this origin that became available outside its own run."""
        return self._read(f"offer/{origin}", Offer)

    def set_offer(self, origin: str, offer: Offer) -> None:
        """Write down the run that is about to be triggered."""
        self._write(f"offer/{origin}", offer)

    def closed(self, run_id: str) -> ClosedGate | None:
        """Return why this run's gate ended without a decision."""
        return self._read(f"closed/{run_id}", ClosedGate)

    def close(self, run_id: str, closed: ClosedGate) -> None:
        """Write down why this run's gate ended without a decision."""
        self._write(f"closed/{run_id}", closed)

    def claim(self) -> Claim | None:
        """Return who may promote to the Stage, or did so last."""
        return self._read("claim", Claim)

    def set_claim(self, claim: Claim) -> None:
        """Give the Stage to a run; the caller has seen that the earlier claimant has ended."""
        self._write("claim", claim)

    def fence(self) -> str | None:
        """Return the token of the process that entered the Stage's promote last."""
        token: str | None = self._store.get("fence")
        return token

    def set_fence(self, token: str) -> None:
        """Write down which process may promote to the Stage from here on."""
        self._store.set("fence", token)

    def run(self, run_id: str) -> RunRecord | None:
        """Return what this run did in the Stage."""
        return self._read(f"run/{run_id}", RunRecord)

    def abort(self, run_id: str) -> AbortRequest | None:
        """Return who asked for this run's promotion to end."""
        return self._read(f"abort/{run_id}", AbortRequest)

    def set_abort(self, run_id: str, request: AbortRequest) -> None:
        """Write down that this run's promotion shall end."""
        self._write(f"abort/{run_id}", request)

    def promotion(self, name: str) -> PromotionRecord | None:
        """Return a Promotion and how far it got."""
        return self._read(f"promotion/{name}", PromotionRecord)

    def promotion_of(self, run_id: str) -> PromotionRecord | None:
        """Return the Promotion that this run made, and how far it got."""
        run = self.run(run_id)
        return self.promotion(run.promotion) if run is not None else None

    def promotions(self) -> tuple[PromotionSummary, ...]:
        """Return the last 20 Promotions, newest first."""
        rows = [PromotionSummary.model_validate(row) for row in self._store.get("promotions") or ()]
        return tuple(sorted(rows, key=lambda row: row.name, reverse=True))

    def spent(self) -> tuple[str, ...]:
        """Return the nonces of the last 100 decisions that were carried out, newest first.

        One that is missing may be spent all the same: the run record tells.
        """
        return tuple(self._store.get("spent") or ())

    def begin(self, record: PromotionRecord, run: RunRecord) -> None:
        """Write down a new Promotion; its run record spends the decision.

        Whoever dies before the run record is written leaves the decision unspent, and the Promotion to be Aborted by
        the next one; whoever dies after it goes on with this one.
        """
        self.save_progress(record)
        self._write(f"run/{record.run_id}", run)
        # After the run record, which alone spends: whoever reads this never takes an unspent decision for spent.
        self._store.set("spent", [run.nonce, *self.spent()][:KEPT_SPENT])
        self._list(record)

    def save_progress(self, record: PromotionRecord) -> None:
        """Write down how far a Promotion got between two steps: one write, for it happens at each step."""
        self._write(f"promotion/{record.promotion.name}", record)

    def save(self, record: PromotionRecord) -> None:
        """Write down how a Promotion waits or ended, also in the list of the last ones."""
        self.save_progress(record)
        self._list(record)

    def _list(self, record: PromotionRecord) -> None:
        summary = summarise(record)
        others = [row for row in self.promotions() if row.name != summary.name]
        kept = sorted([summary, *others], key=lambda row: row.name, reverse=True)
        for dropped in kept[KEPT_PROMOTIONS:]:
            self._store.delete(f"promotion/{dropped.name}")
        rows = [row.model_dump(mode="json", by_alias=True) for row in kept[:KEPT_PROMOTIONS]]
        self._store.set("promotions", rows)

    def events(self) -> tuple[AuditEvent, ...]:
        """Return the last 50 events that promotions recorded, newest first."""
        return tuple(AuditEvent.model_validate(row) for row in self._store.get("events") or ())

    def record_event(self, event: AuditEvent) -> None:
        """Keep an event; the first one of a Promotion's step stays."""
        events = self.events()
        if all((known.promotion, known.step) != (event.promotion, event.step) for known in events):
            kept = [event, *events][:KEPT_EVENTS]
            self._store.set("events", [row.model_dump(mode="json", by_alias=True) for row in kept])

    def arrive(self, holding: Holding) -> None:
        """Write down that the Stage holds something new, and how long it held what it held before.

        A Promotion arrives once: repeated by a task that runs again, it changes nothing, whatever came after it.
        """
        history = self.history()
        if _has_arrived(holding, history):
            return
        before = self.current()
        if before is not None:
            self._end_residence(before, holding)
            holding = holding.model_copy(update={"residence": _continued(before, holding)})
        self._write("current", holding)
        rows = [holding, *history][:KEPT_HISTORY]
        self._store.set("history", [row.model_dump(mode="json", by_alias=True) for row in rows])

    def _end_residence(self, before: Holding, after: Holding) -> None:
        for origin, name in before.items.items():
            verified = self.verified(name)
            if verified is not None and after.items.get(origin) != name:
                residence = after.since - before.resident_since(origin)
                soak = max(verified.longest_soak, residence)
                self._write(f"verified/{name}", verified.model_copy(update={"longest_soak": soak}))


def _rank(request: OpenRequest) -> tuple[datetime, str]:
    return request.discovered_at, request.freight


def _has_arrived(holding: Holding, history: tuple[Holding, ...]) -> bool:
    if any(row.promotion == holding.promotion for row in history):
        return True
    return len(history) == KEPT_HISTORY and holding.since < history[-1].since


def _continued(before: Holding, after: Holding) -> dict[str, datetime]:
    kept = [origin for origin, name in after.items.items() if before.items.get(origin) == name]
    return {origin: before.resident_since(origin) for origin in kept}


def summarise(record: PromotionRecord) -> PromotionSummary:
    """Return the line that stands for a Promotion in its Stage's list."""
    status: PromotionStatus = record.status
    return PromotionSummary(
        name=record.promotion.name,
        freight=record.promotion.freight,
        phase=status.phase,
        run_id=record.run_id,
        actor=record.promotion.actor,
        started_at=record.promotion.started_at,
        finished_at=status.finished_at,
        message=status.message,
    )
