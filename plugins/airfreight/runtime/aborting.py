"""Abort: a person ends a promotion, wherever it is (Kargo's abort; `kargo.md` §4.8).

Who is asked is known by its run: a promotion that still waits for its turn has no name. The register says that it
shall end, so whatever happens to the asking run, the promotion does nothing more.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from airfreight.errors import RefusedError
from airfreight.runtime.engine import abort
from airfreight.runtime.fence import Fence
from airfreight.runtime.records import AbortRequest
from airfreight.runtime.stage_register import StageRegister

ENDED_IN_AIRFLOW = "its task was marked failed or cleared while it promoted"


def request_abort(register: StageRegister, run_id: str, request: AbortRequest) -> str | None:
    """End this run's promotion; return its name, or None where it has not begun and now never does.

    Raises RefusedError where it has ended by itself.
    """
    record = register.promotion_of(run_id)
    if record is not None and record.status.phase.is_terminal:
        raise RefusedError(f"Promotion {record.promotion.name} has ended: {record.status.phase}")
    register.set_abort(run_id, request)
    if record is None:
        return None
    claim = register.claim()
    if claim is not None and claim.run_id == run_id:
        # Shuts out the process that carries it out, before its last word is overwritten here.
        Fence(register, uuid.uuid4().hex).enter()
    end_aborted(register, run_id, request.reason_shown, request.requested_at)
    return record.promotion.name


def abort_asked(register: StageRegister, run_id: str, since: datetime) -> AbortRequest | None:
    """Return who asked for this run's promotion to end after `since`: when its gate decided, or when it began."""
    request = register.abort(run_id)
    return request if request is not None and request.requested_at >= since else None


def end_aborted(register: StageRegister, run_id: str, reason: str, now: datetime) -> str | None:
    """Write down that this run's promotion ended as Aborted, unless it ended otherwise before; return its name."""
    record = register.promotion_of(run_id)
    if record is None or record.status.phase.is_terminal:
        return None
    status = abort(record.status, lambda: now, reason)
    register.save(record.model_copy(update={"status": status}))
    return record.promotion.name
