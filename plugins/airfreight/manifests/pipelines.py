"""Which Warehouses and Stages belong together, and in which order: the shape of the pipeline DAGs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from airfreight.model.stage import Stage
from airfreight.model.warehouse import Warehouse

PIPELINE = "airfreight/pipeline"

Edge = tuple[str, str]


@dataclass(frozen=True)
class Pipeline:
    """Warehouses and Stages that `requestedFreight` connects.

    `stages` are in topological order, then in file order; `edges` are pairs (upstream, downstream) without cycles.
    """

    name: str
    warehouses: tuple[Warehouse, ...]
    stages: tuple[Stage, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True)
class ClosingEdge:
    """An edge that closes a cycle and is left out; `request` and `source` are its indices in `stage`'s manifest."""

    stage: str
    upstream: str
    request: int
    source: int


def find_edges(stages: Sequence[Stage]) -> tuple[tuple[Edge, ...], tuple[ClosingEdge, ...]]:
    """Return the edges between the given Stages in file order, and those that would close a cycle."""
    known = {stage.name for stage in stages}
    downstream: dict[str, list[str]] = {name: [] for name in known}
    edges: dict[Edge, None] = {}
    closing: list[ClosingEdge] = []
    for stage in stages:
        for index, request in enumerate(stage.requested_freight):
            for place, upstream in enumerate(request.sources.stages):
                edge = (upstream, stage.name)
                if upstream not in known or edge in edges:
                    continue
                if _reaches(downstream, stage.name, upstream):
                    closing.append(ClosingEdge(stage.name, upstream, index, place))
                    continue
                edges[edge] = None
                downstream[upstream].append(stage.name)
    return tuple(edges), tuple(closing)


def _reaches(downstream: Mapping[str, Iterable[str]], start: str, goal: str) -> bool:
    seen, open_ = {start}, [start]
    while open_:
        name = open_.pop()
        if name == goal:
            return True
        fresh = [follower for follower in downstream[name] if follower not in seen]
        seen.update(fresh)
        open_ += fresh
    return False


def connect(
    warehouses: Sequence[Warehouse], stages: Sequence[Stage], edges: Sequence[Edge]
) -> tuple[Pipeline, ...]:
    """Return the pipelines in the order of their first Warehouse; Stages without a known Warehouse are in none."""
    group = {warehouse.origin.key: warehouse.origin.key for warehouse in warehouses}
    feeds = {
        stage.name: [r.origin.key for r in stage.requested_freight if r.origin.key in group]
        for stage in stages
    }
    for keys in feeds.values():
        for key in keys[1:]:
            _join(group, keys[0], key)
    roots = dict.fromkeys(_root(group, warehouse.origin.key) for warehouse in warehouses)
    pipelines = []
    for root in roots:
        members = tuple(w for w in warehouses if _root(group, w.origin.key) == root)
        fed = [s for s in stages if feeds[s.name] and _root(group, feeds[s.name][0]) == root]
        pipelines.append(_pipeline(members, fed, edges))
    return tuple(pipelines)


def _root(group: Mapping[str, str], key: str) -> str:
    while group[key] != key:
        key = group[key]
    return key


def _join(group: dict[str, str], one: str, other: str) -> None:
    group[_root(group, other)] = _root(group, one)


def _pipeline(
    warehouses: tuple[Warehouse, ...], stages: Sequence[Stage], edges: Sequence[Edge]
) -> Pipeline:
    names = {stage.name for stage in stages}
    own = tuple(edge for edge in edges if names.issuperset(edge))
    return Pipeline(pipeline_name(warehouses), warehouses, _in_order(stages, own), own)


def pipeline_name(warehouses: Sequence[Warehouse]) -> str:
    """Return the name: an annotation's, else the only or alphabetically first Warehouse's."""
    annotated = [w.annotations[PIPELINE] for w in warehouses if PIPELINE in w.annotations]
    return annotated[0] if annotated else min(warehouse.name for warehouse in warehouses)


def _in_order(stages: Sequence[Stage], edges: Sequence[Edge]) -> tuple[Stage, ...]:
    upstreams: dict[str, set[str]] = {stage.name: set() for stage in stages}
    for upstream, downstream in edges:
        upstreams[downstream].add(upstream)
    waiting, ordered, done = list(stages), list[Stage](), set[str]()
    while waiting:
        ready = [stage for stage in waiting if upstreams[stage.name] <= done]
        ordered += ready
        done.update(stage.name for stage in ready)
        waiting = [stage for stage in waiting if stage.name not in done]
    return tuple(ordered)
