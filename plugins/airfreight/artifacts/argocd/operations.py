"""What the operation of an Application means to a Promotion (`kargo.md` §2.9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from airfreight.artifacts.argocd.application import Application, Operation


@dataclass(frozen=True)
class Standing:
    """Where the Promotion's sync stands.

    `phase` is that of the operation to wait for or to judge; empty: a sync has to begin. `reason` says why.
    """

    phase: str
    reason: str


def standing(application: Application, promotion: str, desired: Sequence[str]) -> Standing:
    """Judge the Application's operation.

    An operation that was asked for counts as one that runs, so that none is asked for twice: Kargo looks at what has
    begun only. `desired` has a revision for each source, empty where any will do.
    """
    operation = application.requested or application.operation
    if operation is None:
        return Standing("", "there was no operation yet")
    own = operation.promotion == promotion
    if not operation.is_completed:
        return Standing(operation.phase, "its sync runs" if own else _foreign(operation))
    if not own:
        return Standing("", "the last operation was not this promotion's")
    if operation.revisions is None:
        return Standing("", "its sync ended without a result")
    for got, wanted in zip_longest(operation.revisions, desired, fillvalue=""):
        if wanted and got != wanted:
            return Standing("", f"it was synced to revision {got!r}, not to {wanted!r}")
    return Standing(operation.phase, operation.message)


def _foreign(operation: Operation) -> str:
    if operation.promotion is not None:
        return f"the sync of promotion {operation.promotion} has to end first"
    by = f' that "{operation.initiator}" began' if operation.initiator else ""
    return f"the operation{by} has to end first"
