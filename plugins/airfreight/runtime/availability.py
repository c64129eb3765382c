"""Which Freight a Stage may have, and which it would take by itself: pure functions over the register.

Every decision asks these; the state of an upstream's task proves nothing (somebody may have marked it success).
Rules: `kargo.md` §4.2 and §4.4. Admission and listing are one function here, unlike Kargo's under MatchUpstream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from airfreight.model.freight import Freight, FreightOrigin
from airfreight.model.stage import FreightSources, Stage
from airfreight.runtime.records import IndexEntry
from airfreight.runtime.stage_register import StageRegister
from airfreight.runtime.warehouse_register import (
    WarehouseRegister,
    check_unique,
    unknown_freight,
)


@dataclass(frozen=True)
class Registers:
    """The registers of a pipeline, by the names of its Warehouses and Stages."""

    warehouses: Mapping[str, WarehouseRegister]
    stages: Mapping[str, StageRegister]

    def at_once(self) -> Registers:
        """Return the same registers for a decision that takes a moment: they read each key once."""
        return Registers(
            {name: register.at_once() for name, register in self.warehouses.items()},
            {name: register.at_once() for name, register in self.stages.items()},
        )

    def freight(self, name: str, origin: object = None) -> Freight:
        """Return the Freight of this whole name; that it comes of Warehouse `origin` is a guess that saves reads.

        Raises RefusedError where no Warehouse of these has it.
        """
        for warehouse in sorted(self.warehouses, key=lambda other: other != origin):
            freight = self.warehouses[warehouse].freight(name)
            if freight is not None:
                return freight
        raise unknown_freight(name)

    def resolve(self, reference: str) -> Freight:
        """Return the Freight that a name, alias or unique prefix means in any Warehouse of the pipeline.

        Raises RefusedError where none fits or several do.
        """
        fitting = {name: register.find(reference) for name, register in self.warehouses.items()}
        check_unique(reference, [entry for entries in fitting.values() for entry in entries])
        owner = next(name for name, entries in fitting.items() if entries)
        return self.warehouses[owner].resolve(reference)


@dataclass(frozen=True)
class Availability:
    """Whether a Stage may have a Freight, and why.

    `ready_at` is when it will be, where only time is missing.
    """

    available: bool
    reason: str
    ready_at: datetime | None = None


def available(
    freight: str, origin: FreightOrigin, stage: Stage, registers: Registers, now: datetime
) -> Availability:
    """Say whether `stage` may have this Freight of `origin` now."""
    request = stage.request(origin)
    if request is None:
        return Availability(False, f"Stage {stage.name} does not request {origin.key}")
    approved = registers.stages[stage.name].approved(freight)
    if approved is not None:
        return Availability(True, f"approved by {approved.approved_by}")
    if request.sources.direct:
        return Availability(True, "straight from the Warehouse")
    return _available_from_upstreams(freight, origin, request.sources, registers, now)


def _available_from_upstreams(
    freight: str,
    origin: FreightOrigin,
    sources: FreightSources,
    registers: Registers,
    now: datetime,
) -> Availability:
    if not sources.stages:
        # Kargo's admission calls this available to everything; see the design's list of quirks.
        return Availability(False, "the Stage names no source")
    answers = [
        _available_from(freight, origin, name, sources, registers, now) for name in sources.stages
    ]
    good = [a for a in answers if a.available]
    needed = len(answers) if sources.availability_strategy == "All" else 1
    if len(good) >= needed:
        return Availability(True, "; ".join(a.reason for a in good))
    lacking = [a for a in answers if not a.available]
    waiting = sorted(a.ready_at for a in lacking if a.ready_at is not None)
    missing = needed - len(good)
    ready_at = waiting[missing - 1] if len(waiting) >= missing else None
    return Availability(False, "; ".join(a.reason for a in lacking), ready_at)


def _available_from(
    freight: str,
    origin: FreightOrigin,
    upstream: str,
    sources: FreightSources,
    registers: Registers,
    now: datetime,
) -> Availability:
    register = registers.stages.get(upstream)
    if register is None:
        return Availability(False, f"there is no Stage {upstream}")
    verified = register.verified(freight)
    if verified is None:
        return Availability(False, f"not verified in {upstream}")
    current = register.current()
    held = current is not None and current.items.get(origin.key) == freight
    if sources.matches_upstream and not held:
        return Availability(False, f"no longer in {upstream}")
    since = current.resident_since(origin.key) if current is not None and held else None
    return _soaked(upstream, sources.required_soak_time, verified.longest_soak, since, now)


def _soaked(
    upstream: str,
    required: timedelta | None,
    longest: timedelta,
    since: datetime | None,
    now: datetime,
) -> Availability:
    if required is None:
        return Availability(True, f"verified in {upstream}")
    residence = now - since if since is not None else timedelta(0)
    if max(longest, residence) >= required:
        return Availability(True, f"verified and soaked in {upstream}")
    if since is None:
        return Availability(False, f"left {upstream} before it had soaked for {required}")
    return Availability(False, f"soaking in {upstream}", since + required)


@dataclass(frozen=True)
class Candidate:
    """The Freight that a Stage would take by itself, or why there is none."""

    entry: IndexEntry | None
    reason: str


def candidate(
    stage: Stage, origin: FreightOrigin, registers: Registers, now: datetime
) -> Candidate:
    """Return the newest Freight of `origin` that is available to `stage` and that nobody put together by hand."""
    for entry in registers.warehouses[origin.name].index():
        if entry.by_hand:
            continue
        answer = available(entry.name, origin, stage, registers, now)
        if answer.available:
            return Candidate(entry, answer.reason)
    return Candidate(None, f"nothing of {origin.key} is available to {stage.name}")


def refuse_automatic(
    freight: Freight, stage: Stage, registers: Registers, now: datetime
) -> str | None:
    """Return why `freight` is not auto-promoted to `stage`, or None where it may be.

    The Freight must be the candidate, not there yet, no older than what the Stage holds; and no hold may stand.
    A Stage that matches its upstream follows it to older Freight, too.
    """
    origin = freight.content.origin
    register = registers.stages[stage.name]
    hold = register.hold(origin.key)
    if hold is not None:
        return f"held since {hold.actor} promoted {hold.freight[:12]} by hand"
    found = candidate(stage, origin, registers, now)
    if found.entry is None:
        return found.reason
    if found.entry.name != freight.name:
        return f"superseded by {found.entry.alias}"
    current = register.current()
    if current is None or origin.key not in current.items:
        return None
    if current.items[origin.key] == freight.name:
        return f"{stage.name} holds it already"
    if _matches_upstream(stage, origin):
        return None
    held = registers.warehouses[origin.name].freight(current.items[origin.key])
    if held is not None and held.discovered_at > freight.discovered_at:
        return f"{stage.name} holds the newer {held.alias}"
    return None


def _matches_upstream(stage: Stage, origin: FreightOrigin) -> bool:
    request = stage.request(origin)
    return request is not None and request.sources.matches_upstream
