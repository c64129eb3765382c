"""A store that is read for one decision."""

from __future__ import annotations

from airfreight.runtime.store import ReadOnce
from tests.runtime.memory import MemoryStore


def test_what_was_seen_stays_as_it_was_and_costs_one_read():
    kept = MemoryStore()
    kept.set("current", "a")
    store = ReadOnce(kept)
    assert (store.get("current"), store.get("hold")) == ("a", None)
    kept.set("current", "b")
    kept.set("hold", "b")
    assert (store.get("current"), store.get("hold")) == ("a", None)
    assert kept.reads == ["current", "hold"]


def test_what_is_written_goes_through_and_is_seen():
    kept = MemoryStore()
    store = ReadOnce(kept)
    store.set("current", "a")
    assert (kept.get("current"), store.get("current")) == ("a", "a")
    store.delete("current")
    assert (kept.get("current"), store.get("current")) == (None, None)
