"""A register that has seen much Freight, and how often the rules read it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from airfreight.model.freight import Freight
from airfreight.runtime.gate import Decide, Question, RunFacts, look
from airfreight.runtime.promoting import check_decision, make_promotion
from airfreight.runtime.records import IndexEntry, RunRecord, Verified
from tests.runtime.memory import START, Pipeline, at, content, decision, sources, stage

RUN = RunFacts(dag_id="shop.pipeline.web", run_id="run-1", by_hand=False, actor="")
PROD = stage("prod", sources("dev"))


def passed(count: int, waiting: int = 0) -> tuple[Pipeline, Freight]:
    """Return a register of `count` Freight that dev has verified and prod had, all but the newest, which is returned.

    `waiting` more are newer and not verified yet.
    """
    pipeline = Pipeline()
    made = []
    for number in range(count + waiting):
        found = content(f"1.0.{number}")
        discovered = START + timedelta(minutes=number)
        alias = f"freight-{number}"
        made.append(Freight(name=found.name, alias=alias, content=found, discovered_at=discovered))
    web, dev, prod = (pipeline.stores[name] for name in ("web", "dev", "prod"))
    rows = [IndexEntry(name=f.name, alias=f.alias, discovered_at=f.discovered_at) for f in made]
    web.set("index", [row.model_dump(mode="json", by_alias=True) for row in rows])
    for freight in made:
        web.set(f"freight/{freight.name}", freight.to_json())
        web.set(f"run/{freight.name}", f"run-of-{freight.alias}")
    verified = Verified(verified_at=START).model_dump(mode="json", by_alias=True)
    for freight in made[:count]:
        dev.set(f"verified/{freight.name}", verified)
        run = RunRecord(nonce="n", promotion=f"dev.{freight.alias}", max_tries=0)
        dev.set(f"run/{freight.alias}", run.model_dump(mode="json", by_alias=True))
    for freight in made[: count - 1]:
        prod.set(f"verified/{freight.name}", verified)
    pipeline.put("dev", made[count - 1])
    pipeline.put("prod", made[count - 2])
    return pipeline, made[count - 1]


def gate_decides(pipeline: Pipeline, freight: Freight) -> None:
    """Let prod's gate decide as its task does: find the run's Freight, then look."""
    known, registers = pipeline.registers.freight(freight.name), pipeline.registers.at_once()
    question = Question(PROD, known, RUN, True, False, False)
    assert isinstance(look(question, registers, at(99)), Decide)


def promote_starts(pipeline: Pipeline, freight: Freight) -> None:
    """Check prod's decision and make its Promotion, as promote does before it takes the claim."""
    known, registers = pipeline.registers.freight(freight.name), pipeline.registers.at_once()
    made = decision(freight, "prod")
    assert check_decision(made, known, PROD, "d1", registers, at(99)) is None
    make_promotion(made, known, PROD, ((), ()), "shop", registers, at(99))


def reads(pipeline: Pipeline, act: Callable[[Pipeline, Freight], None], freight: Freight) -> int:
    """Return how many keys `act` reads."""
    before = sum(len(store.reads) for store in pipeline.stores.values())
    act(pipeline, freight)
    return sum(len(store.reads) for store in pipeline.stores.values()) - before
