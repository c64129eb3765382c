"""What the register's keys hold. All times are aware and in UTC."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from airfreight.model.base import Model
from airfreight.model.promotion import Promotion, PromotionPhase, PromotionStatus


class IndexEntry(Model):
    """One Freight in its Warehouse's index.

    `by_hand`: put together by a person, and no Stage takes it by itself. `registered_at` is set where a backfill dated
    it in the past: it is kept as long as what was found then.
    """

    name: str
    alias: str
    discovered_at: datetime
    by_hand: bool = False
    registered_at: datetime | None = None


class Holding(Model):
    """What a Stage holds: origin key → Freight name, since when, and by which Promotion of which run.

    `residence` maps the origins of which an earlier Promotion brought the Freight to when that was: a Promotion of
    another origin, or of the same Freight again, does not end its stay. The register fills it in.
    """

    items: dict[str, str]
    since: datetime
    promotion: str
    dag_id: str
    run_id: str
    residence: dict[str, datetime] = Field(default_factory=dict)

    def resident_since(self, origin: str) -> datetime:
        """Return since when the Freight of this origin has been here without a break."""
        return self.residence.get(origin, self.since)


class Verified(Model):
    """That a Stage verified a Freight; `longest_soak` counts residence that has ended."""

    verified_at: datetime
    longest_soak: timedelta = timedelta(0)


class Approved(Model):
    """Kargo's approve: the Freight is available to the Stage whatever its upstreams say."""

    approved_at: datetime
    approved_by: str


class Hold(Model):
    """Why a Stage is not auto-promoted for an origin: somebody promoted another Freight by hand."""

    freight: str
    promotion: str
    actor: str
    created_at: datetime


class OpenRequest(Model):
    """The newest Freight of an origin that asks a person for this Stage."""

    freight: str
    alias: str
    discovered_at: datetime
    run_id: str


class Claim(Model):
    """Which run may promote to the Stage. It is void once that run's promote and verify have ended."""

    dag_id: str
    run_id: str
    promotion: str


class Offer(Model):
    """The last run that was triggered because Freight became available outside its own run."""

    freight: str
    run_id: str


class AbortRequest(Model):
    """That a person asked for a run's promotion to end."""

    actor: str
    reason: str
    requested_at: datetime

    @property
    def reason_shown(self) -> str:
        """Who and why, as the Promotion's message says it."""
        return f"aborted by {self.actor}" + (f": {self.reason}" if self.reason else "")


class RunRecord(Model):
    """The Promotion that a run made in this Stage, and the decision that it spent.

    `max_tries` is Airflow's at the Promotion's start: a higher one later tells a cleared task from a retried one.
    """

    nonce: str
    promotion: str
    max_tries: int


class PromotionRecord(Model):
    """A Promotion and how far it got, with the run that it belongs to."""

    promotion: Promotion
    status: PromotionStatus
    dag_id: str
    run_id: str


class PromotionSummary(Model):
    """One line of a Stage's list of Promotions."""

    name: str
    freight: str
    phase: PromotionPhase
    run_id: str
    actor: str = ""
    started_at: datetime
    finished_at: datetime | None = None
    message: str = ""


class ClosedGate(Model):
    """Why a gate of a run ended without a decision; `rejected` tells a person's no from a rule's.

    `max_tries` is Airflow's at that moment: a higher one later tells that somebody cleared the gate.
    """

    freight: str
    reason: str
    rejected: bool = False
    at: datetime
    max_tries: int


DecisionKind = Literal["automatic", "approved", "by hand"]


class Decision(Model):
    """What a gate decided, as the asset event that only a gate which finishes can write.

    `digest` names the Stage's inflated steps and vars as they were then; `nonce` makes it good for one Promotion.
    """

    decision: DecisionKind
    stage: str
    freight: str
    actor: str
    reason: str = ""
    nonce: str = Field(min_length=1)
    digest: str
    decided_at: datetime
