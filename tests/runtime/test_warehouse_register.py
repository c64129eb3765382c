from __future__ import annotations

from datetime import timedelta

import pytest

from airfreight.errors import RefusedError
from airfreight.model.alias import freight_alias
from airfreight.runtime.warehouse_register import (
    RETAINED_AGE,
    RETAINED_FREIGHT,
    WarehouseRegister,
)
from tests.runtime.memory import START, MemoryStore, at, content


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def register(store: MemoryStore) -> WarehouseRegister:
    return WarehouseRegister(store)


def test_new_freight_is_named_dated_and_listed(register):
    freight, is_new = register.register(content("1.0.0"), at(3))
    assert is_new
    assert freight.name == content("1.0.0").name
    assert freight.alias == freight_alias(freight.name)
    assert [(e.name, e.alias, e.discovered_at) for e in register.index()] == [
        (freight.name, freight.alias, at(3))
    ]
    assert register.freight(freight.name) == freight


def test_known_freight_is_neither_new_nor_dated_again(register):
    first, _ = register.register(content("1.0.0"), at(3))
    assert register.register(content("1.0.0"), at(9)) == (first, False)
    assert len(register.index()) == 1


def test_what_a_person_put_together_is_as_any_other_once_it_is_found(register):
    made, is_new = register.register(content("1.0.0"), at(3), by_hand=True)
    assert is_new
    assert register.is_by_hand(made.name)
    register.register(content("1.0.0"), at(4), by_hand=True)
    assert register.is_by_hand(made.name)
    assert register.register(content("1.0.0"), at(9)) == (made, False)
    assert not register.is_by_hand(made.name)
    assert [entry.discovered_at for entry in register.index()] == [at(3)]


def test_what_was_found_stays_so_when_a_person_chooses_it(register):
    found, _ = register.register(content("1.0.0"), at(3))
    register.register(content("1.0.0"), at(9), by_hand=True)
    assert not register.is_by_hand(found.name)


def test_the_index_is_newest_first_and_of_two_at_once_by_the_greater_name(register):
    hours = {"1.0.0": 1, "1.1.0": 2, "1.2.0": 2, "0.9.0": 5}
    for version, hour in hours.items():
        register.register(content(version), at(hour))
    same = sorted((content("1.1.0").name, content("1.2.0").name), reverse=True)
    expected = [content("0.9.0").name, *same, content("1.0.0").name]
    assert [entry.name for entry in register.index()] == expected


def test_freight_whose_alias_is_taken_gets_the_next_one(store, register):
    name = content("1.0.0").name
    taken = [freight_alias(name, attempt) for attempt in range(2)]
    rows = [
        {"name": f"other-{n}", "alias": alias, "discoveredAt": START.isoformat()}
        for n, alias in enumerate(taken)
    ]
    store.set("index", rows)
    freight, _ = register.register(content("1.0.0"), START)
    assert freight.alias == freight_alias(name, 2)


@pytest.mark.parametrize("lost", ["freight", "index"])
def test_freight_that_was_half_written_when_the_task_died_is_new_again(store, register, lost):
    name = content("1.0.0").name

    def die(key: str) -> None:
        assert not key.startswith(lost)

    store.before_set = die
    with pytest.raises(AssertionError):
        register.register(content("1.0.0"), at(1))
    store.before_set = lambda key: None
    freight, is_new = register.register(content("1.0.0"), at(2))
    assert is_new
    assert [entry.name for entry in register.index()] == [name]
    assert register.resolve(freight.alias) == freight


def test_freight_is_found_by_name_alias_and_unique_prefix(register):
    freight, _ = register.register(content("1.0.0"), START)
    register.register(content("1.1.0"), START)
    for reference in (freight.name, freight.alias, freight.name[:12], freight.name[:4]):
        assert register.resolve(reference) == freight


UNKNOWN = {
    "no such alias": "no-such",
    "empty": "",
    "a prefix too short to mean anything": content("1.0.0").name[:3],
    "the start of an alias": freight_alias(content("1.0.0").name)[:-1],
    "more than the name": content("1.0.0").name + "0",
    "another case": content("1.0.0").name.upper(),
}


@pytest.mark.parametrize("reference", UNKNOWN.values(), ids=UNKNOWN)
def test_a_reference_that_fits_nothing_is_refused(register, reference):
    register.register(content("1.0.0"), START)
    with pytest.raises(RefusedError, match="no Freight is named"):
        register.resolve(reference)


def test_an_ambiguous_prefix_is_refused_with_what_it_could_mean(store, register):
    rows = [
        {"name": f"abcd{n}", "alias": f"calm-{n}", "discoveredAt": START.isoformat()}
        for n in range(2)
    ]
    store.set("index", rows)
    with pytest.raises(RefusedError, match=r"could be calm-1 \(abcd1\), calm-0 \(abcd0\)"):
        register.resolve("abcd")


def test_a_whole_name_is_not_made_ambiguous_by_a_longer_one(store, register):
    freight, _ = register.register(content("1.0.0"), START)
    longer = {"name": f"{freight.name}0", "alias": "x", "discoveredAt": START.isoformat()}
    store.set("index", [*store.get("index"), longer])
    assert register.resolve(freight.name) == freight


def test_content_that_was_changed_in_the_store_is_refused(store, register):
    freight, _ = register.register(content("1.0.0"), START)
    document = store.get(f"freight/{freight.name}")
    document["images"][0]["tag"] = "6.6.6"
    store.set(f"freight/{freight.name}", document)
    with pytest.raises(RefusedError, match="forged Freight"):
        register.resolve(freight.alias)


def test_another_freights_content_under_this_name_is_refused(store, register):
    freight, _ = register.register(content("1.0.0"), START)
    other, _ = register.register(content("1.1.0"), START)
    store.set(f"freight/{freight.name}", store.get(f"freight/{other.name}"))
    with pytest.raises(RefusedError, match="holds"):
        register.resolve(freight.name)


def test_freight_without_its_content_is_refused(store, register):
    freight, _ = register.register(content("1.0.0"), START)
    store.delete(f"freight/{freight.name}")
    with pytest.raises(RefusedError, match="its content is gone"):
        register.resolve(freight.alias)


def test_a_freight_has_the_run_that_was_recorded(register):
    assert register.run_of("f") is None
    register.record_run("f", "calm-otter-1")
    assert register.run_of("f") == "calm-otter-1"


def filled(register: WarehouseRegister, count: int) -> list[str]:
    """Register `count` Freights, one an hour; return their names newest first."""
    return [
        register.register(content(f"1.{number}.0"), at(number))[0].name for number in range(count)
    ][::-1]


LONG_AFTER = at(100) + RETAINED_AGE


def test_trimming_keeps_20_older_than_the_oldest_in_use(register):
    names = filled(register, 30)
    forgotten = register.trim([names[0], names[4]], LONG_AFTER)
    assert list(forgotten) == names[4 + RETAINED_FREIGHT + 1 :]
    assert [entry.name for entry in register.index()] == names[: 4 + RETAINED_FREIGHT + 1]


def test_trimming_counts_from_the_newest_where_nothing_is_in_use(register):
    names = filled(register, 25)
    assert list(register.trim([], LONG_AFTER)) == names[RETAINED_FREIGHT + 1 :]


def test_trimming_never_forgets_freight_in_use(register):
    names = filled(register, 60)
    assert register.trim([names[-1]], LONG_AFTER) == ()


def test_trimming_keeps_what_is_younger_than_14_days(register):
    names = filled(register, 30)
    oldest_gone = register.trim([], at(0) + RETAINED_AGE + timedelta(seconds=1))
    assert list(oldest_gone) == names[-1:]
    assert register.trim([], at(1) + RETAINED_AGE) == ()


def test_trimming_keeps_what_a_backfill_registered_less_than_14_days_ago(store, register):
    found = [register.register(content(f"1.{i}.0"), at(i))[0] for i in range(RETAINED_FREIGHT + 5)]
    now = at(0) + 3 * RETAINED_AGE
    old, _ = register.register(content("0.1.0"), at(-1), registered_at=now)
    assert old.name not in register.trim([found[-1].name], now)
    assert old.name in register.trim([found[-1].name], now + 2 * RETAINED_AGE)


def test_trimmed_freight_leaves_nothing_behind_and_comes_back_as_new(store, register):
    names = filled(register, 22)
    register.record_run(names[-1], "run")
    assert register.trim([], LONG_AFTER) == (names[-1],)
    assert not [key for key in store.texts if names[-1] in key]
    freight, is_new = register.register(content("1.0.0"), LONG_AFTER)
    assert (freight.name, is_new) == (names[-1], True)
