"""What a person's run of a Warehouse may ask for."""

from __future__ import annotations

import pytest

from airfreight.errors import RefusedError
from airfreight.runtime.assembly import Assembly, read_assembly

CHOSEN = {"r.example/web": "1.0.0"}
READ = {
    "nothing": ({}, None),
    "the form as it opens": ({"artifacts": None, "promote": False}, None),
    "no artifacts": ({"artifacts": {}}, None),
    "artifacts": ({"artifacts": CHOSEN}, Assembly(CHOSEN, promote=False)),
    "artifacts to be promoted": (
        {"artifacts": CHOSEN, "promote": True},
        Assembly(CHOSEN, promote=True),
    ),
}
_MAPPED = (
    "conf artifacts has to map each subscription, by its name or URL, to a tag, commit or version"
)
REFUSED = {
    "another key": ({"freight": "x"}, "conf holds 'freight'; it may hold artifacts and promote"),
    "a list": ({"artifacts": ["1.0.0"]}, _MAPPED),
    "a number": ({"artifacts": {"r.example/web": 1}}, _MAPPED),
    "an empty version": ({"artifacts": {"r.example/web": ""}}, _MAPPED),
    "promote without artifacts": (
        {"promote": True},
        "conf promote needs artifacts: subscription → version",
    ),
    "promote of another type": (
        {"artifacts": CHOSEN, "promote": "yes"},
        "conf promote has to be true or false",
    ),
}


@pytest.mark.parametrize(("conf", "expected"), READ.values(), ids=READ)
def test_a_run_asks_for_a_look_or_for_chosen_artifacts(conf, expected):
    assert read_assembly(conf) == expected


@pytest.mark.parametrize(("conf", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_neither_is_refused(conf, message):
    with pytest.raises(RefusedError) as refused:
        read_assembly(conf)
    assert str(refused.value) == message
