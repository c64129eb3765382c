"""Registers that outlive the DAG which names them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, cast

from airflow.sdk import Asset, AssetAlias, Context

from airfreight.hooks.ties import TIED, tie
from tests.runtime.memory import MemoryStore


class Emitted:
    def __init__(self) -> None:
        self.assets: list[str] = []

    def add(self, asset: Asset, extra: dict[str, Any]) -> None:
        self.assets.append(asset.uri)


def tied_by(store: MemoryStore, *uris: str, found: set[str]) -> tuple[list[str], list[str]]:
    """Return for which assets an event was emitted, and which Airflow was asked about, in one run."""
    events: defaultdict[AssetAlias, Emitted] = defaultdict(Emitted)
    asked: list[str] = []

    def asks(asset: Asset, alias: AssetAlias) -> bool:
        asked.append(asset.uri)
        return asset.uri in found

    pairs = [(Asset(name=uri, uri=uri), AssetAlias(uri.rpartition("/")[2])) for uri in uris]
    tie(cast(Context, {"outlet_events": events}), pairs, store, asks)
    return [uri for emitted in events.values() for uri in emitted.assets], asked


def test_an_asset_is_tied_by_one_event_and_then_asked_about_once():
    store, dev = MemoryStore(), "airfreight://p/stages/dev/register"
    assert tied_by(store, dev, found=set()) == ([dev], [dev])
    assert store.get(TIED) is None
    assert tied_by(store, dev, found={dev}) == ([], [dev])
    assert tied_by(store, dev, found={dev}) == ([], [])


def test_an_event_that_was_lost_with_its_task_is_emitted_again():
    store, dev = MemoryStore(), "airfreight://p/stages/dev/register"
    tied_by(store, dev, found=set())
    assert tied_by(store, dev, found=set()) == ([dev], [dev])


def test_a_stage_that_is_new_is_tied_beside_those_that_are():
    store = MemoryStore()
    dev, prod = "airfreight://p/stages/dev/register", "airfreight://p/stages/prod/register"
    tied_by(store, dev, found={dev})
    assert tied_by(store, dev, prod, found={dev}) == ([prod], [prod])
    tied_by(store, dev, prod, found={dev, prod})
    assert store.get(TIED) == [dev, prod]
