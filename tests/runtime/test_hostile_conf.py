"""`conf` of every JSON type for every key: a request, or one refusal that names the key and what to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airfreight.errors import RefusedError
from airfreight.model.freight import FreightContent
from airfreight.runtime.availability import Registers
from airfreight.runtime.request import read_request
from airfreight.runtime.warehouse_register import WarehouseRegister
from tests.runtime.memory import MemoryStore

STAGES = tuple(f"stage-{number}" for number in range(20))
NAME = "a" * 40
LONGEST_REFUSAL = 1_000

ODD: dict[str, Any] = {
    "number": 7,
    "huge number": 10**400,
    "fraction": 1e300,
    "object": {"a": [1]},
    "list of lists": [[["stage-1"]]],
    "list of numbers": [1, 2],
    "list with null": ["stage-1", None],
    "10,000 numbers": list(range(10_000)),
    "10,000 unknown Stages": [f"x{number}" for number in range(10_000)],
    "deep": json.loads("[" * 900 + "]" * 900),
    "a megabyte": "x" * (1 << 20),
    "half a character": "\ud800",
    "control characters": "\x1b[31m\0\r\n",
}
EXPECTED = {
    "freight": "conf needs freight: the name, the alias or a unique prefix",
    "stages": "conf stages",
    "approve": "conf approve has to be true or false",
    "warehouse": "conf warehouse has to be the name of a Warehouse",
}


@pytest.mark.parametrize("key", EXPECTED)
@pytest.mark.parametrize("kind", ODD)
def test_a_value_of_the_wrong_kind_is_one_refusal_that_names_its_key(key, kind):
    """Guards: the four `isinstance` checks of `read_request`, and `_shown`."""
    conf = {"freight": NAME, "stages": ["stage-1"], key: ODD[kind]}
    if key == "warehouse" and isinstance(ODD[kind], str):
        read_request(conf, STAGES)  # only its kind matters: nobody reads it
        return
    with pytest.raises(RefusedError) as refusal:
        read_request(conf, STAGES)
    said = str(refusal.value)
    assert EXPECTED[key] in said
    assert said.encode().isascii()
    assert said.isprintable()
    assert len(said) < LONGEST_REFUSAL


UNKNOWN = {
    "one": ({"a": 1}, "conf holds 'a'; it may hold freight, stages, approve"),
    "10,000": (
        {f"k{n:05}": n for n in range(10_000)},
        "conf holds 'k00000', 'k00001', 'k00002', 'k00003', 'k00004' and 9995 more; it may",
    ),
    "half a character": ({"\ud800": 1}, r"conf holds '\ud800'; it may"),
    "a line break": ({"a\nb": 1}, r"conf holds 'a\nb'; it may"),
}


@pytest.mark.parametrize(("extra", "said"), UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_keys_are_one_short_refusal(extra, said):
    """Guards: `_MOST_SHOWN`, and `_shown`, without which no log can hold the message."""
    with pytest.raises(RefusedError) as refusal:
        read_request({"freight": NAME, **extra}, STAGES)
    assert str(refusal.value).startswith(said)
    str(refusal.value).encode()


def test_a_stage_named_10_000_times_is_one_stage():
    """Guard: `dict.fromkeys`; without it the Stage is approved 10,000 times."""
    assert read_request({"freight": NAME, "stages": ["stage-1"] * 10_000}, STAGES).stages == (
        "stage-1",
    )


FREIGHT = FreightContent.model_validate(
    {"origin": {"name": "web"}, "images": [{"repoURL": "r.example/web", "digest": "sha256:1"}]}
)


def registers() -> Registers:
    register = WarehouseRegister(MemoryStore())
    register.register(FREIGHT, datetime(2026, 1, 1, tzinfo=UTC))
    return Registers({"web": register}, {})


@given(
    st.text(max_size=60)
    | st.text("0123456789abcdef-*%._/", max_size=50)
    | st.sampled_from(["", "index", "../index", "\ud800", FREIGHT.name[:3], FREIGHT.name + "0"])
)
@settings(derandomize=True, database=None, max_examples=300)
def test_no_odd_text_means_a_freight(reference):
    """Guard: `WarehouseRegister.find` compares whole names, aliases and prefixes of 4 and more, no patterns."""
    if len(reference) >= 4 and FREIGHT.name.startswith(reference):
        assert registers().resolve(reference).name == FREIGHT.name
        return
    with pytest.raises(RefusedError) as refusal:
        registers().resolve(reference)
    assert str(refusal.value).startswith("no Freight is named")
    str(refusal.value).encode()
