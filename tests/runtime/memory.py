"""A register in memory, and a small pipeline to ask its rules about."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from airfreight.model.freight import Freight, FreightContent, FreightOrigin, ImageArtifact
from airfreight.model.promotion import Promotion, PromotionPhase, PromotionStatus
from airfreight.model.stage import Stage
from airfreight.runtime.availability import Registers
from airfreight.runtime.records import Decision, Holding, PromotionRecord
from airfreight.runtime.stage_register import StageRegister
from airfreight.runtime.warehouse_register import WarehouseRegister

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEB = FreightOrigin(name="web")
API = FreightOrigin(name="api")
STEPS = [{"uses": "echo"}]


class MemoryStore:
    """Values pass through JSON on the way in and out, as in Airflow."""

    def __init__(self, before_set: Callable[[str], None] | None = None) -> None:
        self.texts: dict[str, str] = {}
        self.reads: list[str] = []
        self.writes: list[str] = []
        self.before_set = before_set or (lambda key: None)

    def get(self, key: str) -> Any:
        self.reads.append(key)
        return json.loads(self.texts[key]) if key in self.texts else None

    def set(self, key: str, value: Any) -> None:
        assert value is not None, f"{key}: a value is never None"
        self.before_set(key)
        self.writes.append(key)
        self.texts[key] = json.dumps(value, allow_nan=False)

    def delete(self, key: str) -> None:
        self.texts.pop(key, None)


def content(version: str, origin: FreightOrigin = WEB) -> FreightContent:
    image = ImageArtifact(
        repo_url=f"registry.example/{origin.name}", tag=version, digest=f"sha256:{version}"
    )
    return FreightContent(origin=origin, images=(image,))


def sources(*upstreams: str, **fields: Any) -> dict[str, Any]:
    return {"stages": list(upstreams), **fields}


DIRECT = {"direct": True}


def stage(name: str, web: Mapping[str, Any] = DIRECT, **others: Mapping[str, Any]) -> Stage:
    """Return a Stage that takes each Warehouse's Freight from where the keywords say."""
    requests = [
        {"origin": {"name": warehouse}, "sources": wanted}
        for warehouse, wanted in {"web": web, **others}.items()
    ]
    document = {"name": name, "requestedFreight": requests, "promotionTemplate": {"steps": STEPS}}
    return Stage.model_validate(document)


def control_flow(name: str, web: Mapping[str, Any] = DIRECT) -> Stage:
    request = {"origin": {"name": "web"}, "sources": web}
    return Stage.model_validate({"name": name, "requestedFreight": [request]})


@dataclass
class Pipeline:
    """Registers of Warehouses and Stages, filled hour by hour."""

    stages: Iterable[str] = ("dev", "qa", "prod")
    warehouses: Iterable[str] = ("web", "api")
    stores: dict[str, MemoryStore] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [*self.stages, *self.warehouses]
        self.stores = {name: MemoryStore() for name in names}
        self.registers = Registers(
            warehouses={name: WarehouseRegister(self.stores[name]) for name in self.warehouses},
            stages={name: StageRegister(self.stores[name]) for name in self.stages},
        )

    def stage(self, name: str) -> StageRegister:
        return self.registers.stages[name]

    def find(self, version: str, hour: float = 0, origin: FreightOrigin = WEB) -> Freight:
        """Register what a Warehouse found at this hour."""
        warehouse = self.registers.warehouses[origin.name]
        return warehouse.register(content(version, origin), START + hour * HOUR)[0]

    def put(self, name: str, *freight: Freight, hour: float = 0, promotion: str = "") -> Holding:
        """Let a Stage hold these since this hour, without verifying them."""
        holding = Holding(
            items={f.content.origin.key: f.name for f in freight},
            since=START + hour * HOUR,
            promotion=promotion or f"{name}.{hour:06}.x",
            dag_id="shop.pipeline.web",
            run_id=f"run-{hour}",
        )
        self.stage(name).arrive(holding)
        return holding

    def verify(self, name: str, *freight: Freight, hour: float = 0) -> None:
        """Let a Stage hold these since this hour and verify them at once."""
        for one in freight:
            self.stage(name).mark_verified(one.name, START + hour * HOUR)
        self.put(name, *freight, hour=hour)


def at(hour: float) -> datetime:
    return START + hour * HOUR


def decision(freight: Freight, stage_name: str = "dev", **fields: Any) -> Decision:
    document = {
        "decision": "automatic",
        "stage": stage_name,
        "freight": freight.name,
        "actor": "",
        "nonce": "n1",
        "digest": "d1",
        "decided_at": START,
    }
    return Decision.model_validate({**document, **fields})


def record(
    freight: Freight,
    name: str = "dev.01.x",
    phase: PromotionPhase = PromotionPhase.RUNNING,
    run_id: str = "run-1",
    **collection: Freight,
) -> PromotionRecord:
    """Return a Promotion of `freight` and of what its Stage holds of other Warehouses."""
    held = {one.content.origin.key: one for one in collection.values()}
    promotion = Promotion(
        name=name,
        project="shop",
        stage=name.split(".")[0],
        freight=freight.name,
        freight_collection={**held, freight.content.origin.key: freight},
        steps=(),
        actor="alice",
        started_at=START,
    )
    status = PromotionStatus(phase=phase, started_at=START)
    return PromotionRecord(
        promotion=promotion, status=status, dag_id="shop.pipeline.web", run_id=run_id
    )
