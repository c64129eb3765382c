"""What a promotion records for people who look back."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from airfreight.model.base import Model


class AuditEvent(Model):
    """One event; a step of a Promotion has one at most.

    `actor` is whom it is attributed to, empty for an automatic promotion. Who really promoted is the Promotion's actor.
    """

    promotion: str
    step: str
    at: datetime
    type: str
    actor: str
    message: str
    data: dict[str, str | int | float | bool] = Field(default_factory=dict)
