"""Warehouse (`kargo.md` §1.4): what to watch, and which of it becomes Freight."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Literal

from pydantic import Field

from airfreight.model.base import Duration, Model, Name
from airfreight.model.freight import FreightOrigin
from airfreight.model.subscription import Subscription


class FreightCreationCriteria(Model):
    """A bare expression that must hold before Freight is made."""

    expression: str = ""


class Warehouse(Model):
    """One source of Freight.

    `interval` is the time between two looks at the repositories. `annotations` are the manifest's own.
    """

    name: Name
    annotations: dict[str, str] = Field(default_factory=dict)
    interval: Duration = timedelta(minutes=5)
    freight_creation_policy: Literal["Automatic", "Manual"] = "Automatic"
    freight_creation_criteria: FreightCreationCriteria = FreightCreationCriteria()
    subscriptions: tuple[Subscription, ...] = Field(min_length=1)

    @property
    def digest(self) -> str:
        """What changes when another look may find something else (16 hex digits)."""
        told = self.model_dump_json(by_alias=True, exclude={"annotations", "interval"})
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @property
    def origin(self) -> FreightOrigin:
        """The origin that this Warehouse's Freight names."""
        return FreightOrigin(name=self.name)
