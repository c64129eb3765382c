from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airfreight.errors import RefusedError
from airfreight.runtime.request import Abort, RunRequest, read_request

STAGES = ("dev", "prod")
NAME = "a" * 40

GOOD = {
    "a name": ({"freight": NAME}, RunRequest(NAME, None, False)),
    "an alias": ({"freight": "calm-otter"}, RunRequest("calm-otter", None, False)),
    "chosen stages": (
        {"freight": NAME, "stages": ["prod", "dev"]},
        RunRequest(NAME, ("prod", "dev"), False),
    ),
    "an approval": (
        {"freight": NAME, "stages": ["prod"], "approve": True},
        RunRequest(NAME, ("prod",), True),
    ),
    "an untouched form": (
        {"freight": NAME, "stages": [], "approve": False},
        RunRequest(NAME, None, False),
    ),
    "an emptied form": (
        {"freight": NAME, "stages": None, "approve": None},
        RunRequest(NAME, None, False),
    ),
    "an abort": (
        {"abort": "calm-otter-0123", "stages": ["prod"], "reason": "wrong day"},
        Abort("calm-otter-0123", ("prod",), "wrong day"),
    ),
    "an abort from the form": (
        {"freight": None, "abort": "r", "stages": ["prod"], "approve": False, "reason": None},
        Abort("r", ("prod",), ""),
    ),
    "the freight's own run": (
        {"freight": NAME, "warehouse": "web"},
        RunRequest(NAME, None, False),
    ),
}


@pytest.mark.parametrize(("conf", "expected"), GOOD.values(), ids=GOOD)
def test_a_request_that_makes_sense_is_read(conf, expected):
    assert read_request(conf, STAGES) == expected


JSON_VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "number": 1.5,
    "empty text": "",
    "text": "dev",
    "list": ["dev"],
    "list of lists": [["dev"]],
    "list with null": ["dev", None],
    "object": {"dev": True},
    "empty object": {},
}
ACCEPTED = {
    "freight": {"text"},
    "stages": {"null", "list"},
    "approve": {"null", "true", "false"},
}
REFUSALS = {
    "freight": "conf needs freight: the name, the alias or a unique prefix",
    "stages": "conf stages has to be a list of the names of Stages",
    "approve": "conf approve has to be true or false",
}


@pytest.mark.parametrize("field", REFUSALS)
@pytest.mark.parametrize("kind", JSON_VALUES)
def test_each_field_takes_its_own_json_type_and_refuses_every_other(field, kind):
    conf = {"freight": NAME, "stages": ["dev"], field: JSON_VALUES[kind]}
    if kind in ACCEPTED[field]:
        assert isinstance(read_request(conf, STAGES), RunRequest)
    else:
        with pytest.raises(RefusedError, match=REFUSALS[field]):
            read_request(conf, STAGES)


REFUSED = {
    "nothing at all": ({}, "conf needs freight"),
    "a template": ({"freight": "{{ conn.x }}"}, "conf needs freight"),
    "a path": ({"freight": "../etc"}, "conf needs freight"),
    "a line break at the end": ({"freight": "calm-otter\n"}, "conf needs freight"),
    "a very long text": ({"freight": "a" * 101}, "conf needs freight"),
    "an unknown field": (
        {"freight": NAME, "stage": "dev"},
        "conf holds 'stage'; it may hold freight, stages, approve",
    ),
    "a misspelt stage": (
        {"freight": NAME, "stages": ["prd"]},
        "conf stages: there is no Stage 'prd' in this pipeline; did you mean 'prod'?",
    ),
    "a stage like no other": (
        {"freight": NAME, "stages": ["x"]},
        "conf stages: there is no Stage 'x' in this pipeline; there are dev, prod",
    ),
    "an abort of no run": (
        {"abort": 7, "stages": ["dev"]},
        "conf abort has to be the id of the run whose promotion shall end",
    ),
    "an abort for no stage": ({"abort": "r"}, "conf abort needs stages"),
    "an abort with freight": (
        {"abort": "r", "stages": ["dev"], "freight": NAME},
        "conf abort goes with stages and reason alone",
    ),
    "an abort for a reason that is none": (
        {"abort": "r", "stages": ["dev"], "reason": ["x"]},
        "conf reason has to be a text",
    ),
    "an approval for no stage": (
        {"freight": NAME, "approve": True},
        "conf approve needs stages",
    ),
}


@pytest.mark.parametrize(("conf", "message"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused_with_what_would(conf, message):
    with pytest.raises(RefusedError) as refusal:
        read_request(conf, STAGES)
    assert str(refusal.value).startswith(message)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
keys = st.sampled_from(["freight", "stages", "approve", "abort", "reason", "warehouse"]) | st.text(
    max_size=8
)
plausible = st.sampled_from([NAME, "calm-otter", ["dev"], ["prod", "dev"], True])


@given(st.dictionaries(keys, json_values | plausible, max_size=5))
def test_any_json_is_either_a_request_or_refused(conf):
    try:
        request = read_request(conf, STAGES)
    except RefusedError:
        return
    if isinstance(request, Abort):
        assert request.run_id == conf["abort"]
        return
    assert request.freight == conf["freight"]
    assert set(request.stages or ()) <= set(STAGES)
    assert request.approve is bool(conf.get("approve"))
