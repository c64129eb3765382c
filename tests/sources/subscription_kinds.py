"""Kinds that an entry point may name, and one that tells what a test put into it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from pydantic import field_validator

from airfreight.sources.base import Access, Rejected
from airfreight.sources.kind import ArtifactVersion, SubscriptionConfig, SubscriptionKind


class ToldConfig(SubscriptionConfig):
    place: str = "shelf"


class CarelessConfig(SubscriptionConfig):
    place: str

    @field_validator("place")
    @classmethod
    def _divides(cls, place: str) -> str:
        return place * int(1 / 0)


class CarelessKind(SubscriptionKind[CarelessConfig]):
    kind = "careless"
    config_type = CarelessConfig

    def url(self, config: CarelessConfig) -> str:
        return config.place

    async def versions(
        self, config: CarelessConfig, access: Access
    ) -> AsyncGenerator[ArtifactVersion | Rejected]:
        yield Rejected(config.place, "careless")


class ToldKind(SubscriptionKind[ToldConfig]):
    """Finds `told`; counts how many of them were asked for."""

    kind = "told"
    config_type = ToldConfig

    def __init__(self, told: Sequence[ArtifactVersion | Rejected | Exception] = ()) -> None:
        self.told = told
        self.asked = 0

    def url(self, config: ToldConfig) -> str:
        return f"told://{config.place}"

    async def versions(
        self, config: ToldConfig, access: Access
    ) -> AsyncGenerator[ArtifactVersion | Rejected]:
        for one in self.told:
            self.asked += 1
            if isinstance(one, Exception):
                raise one
            yield one
