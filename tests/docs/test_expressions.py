"""The page of expressions has every function, with an example that gives what the page says."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from airfreight.expr.catalogue import BUILTINS
from airfreight.expr.gotext import json_text
from airfreight.expr.limits import DEFAULT_LIMITS, Meter
from airfreight.expr.predicates import PREDICATES
from airfreight.expr.program import compile_expression
from airfreight.expr.templates import TEMPLATE_FUNCTIONS, evaluate_template
from airfreight.expr.time_methods import METHODS
from airfreight.expr.values import Moment, Span
from airfreight.model.freight import (
    ChartArtifact,
    Freight,
    FreightContent,
    FreightOrigin,
    GenericArtifact,
    GitCommit,
    ImageArtifact,
)
from airfreight.model.promotion import StepExecution, StepStatus
from airfreight.runtime.functions import Scope, Sources, functions
from airfreight.steps.functions import Place, declared
from tests.docs.pages import read, section

_PAGE = "docs/expressions.md"
_WORDS: dict[Place, str] = {
    "step": "steps",
    "vars": "vars",
    "verification": "verification",
    "criteria": "criteria",
}


def _cells(text: str, columns: int) -> list[list[str]]:
    """Return the rows of this many cells that end in an example and its result."""
    rows = re.findall(r"^\| (.+) \|$", text, re.MULTILINE)
    split = [re.split(r" \| ", row) for row in rows]
    return [row for row in split if len(row) == columns and row[-1].startswith("`")]


def _code(cell: str) -> str:
    assert cell[0] == cell[-1] == "`"
    return cell[1:-1]


def _name(row: list[str]) -> str:
    return row[0].strip("`").partition("(")[0]


_TEMPLATES = _cells(section(_PAGE, "Templates"), 4)
_PROMOTION = _cells(section(_PAGE, "Functions of a promotion"), 5)
_LANGUAGE = _cells(section(_PAGE, "The language"), 4)
_FORMS = _cells(section(_PAGE, "The language"), 3)


def _scope() -> Scope:
    content = FreightContent(
        origin=FreightOrigin(name="web"),
        images=(ImageArtifact(repo_url="ghcr.io/acme/web", tag="1.4.2", digest="sha256:aa"),),
        commits=(
            GitCommit(
                repo_url="https://git.example/acme/web.git",
                id="8a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
            ),
        ),
        charts=(ChartArtifact(repo_url="https://charts.example", name="web", version="0.9.0"),),
        artifacts=(GenericArtifact(artifact_type="rules", subscription_name="rules", version="7"),),
    )
    freight = Freight(
        name=content.name,
        alias="frozen-tauntaun",
        content=content,
        discovered_at=datetime(2026, 3, 4, tzinfo=UTC),
    )
    logins = {"registry": {"username": "robot", "password": "hidden"}}
    sources = Sources(
        config_maps={"site": {"host": "acme.example"}},
        secret=lambda name: logins.get(name, {}),
        shared_secret=lambda _: {},
        stage_metadata={"uat": {"region": "eu-west-1"}}.get,
        freight_metadata={freight.name: {"ticket": "OPS-7"}}.get,
    )
    update = StepExecution(alias="update", status=StepStatus.SUCCEEDED)
    return Scope({"Warehouse/web": freight}, (update,), sources=sources)


_SCOPE = _scope()
_ENV = {"ctx": {"targetFreight": {"name": _SCOPE.freight["Warehouse/web"].name}}}


@pytest.mark.parametrize("row", [*_LANGUAGE, *_PROMOTION, *_FORMS], ids=lambda row: _code(row[-2]))
def test_an_example_gives_what_the_page_says(row: list[str]) -> None:
    example, result = _code(row[-2]), _code(row[-1])
    program = compile_expression(example, functions(_SCOPE, "step"))
    assert json_text(program.run(_ENV), Meter(DEFAULT_LIMITS)) == result


@pytest.mark.parametrize("row", _TEMPLATES, ids=_name)
def test_an_example_of_a_template_gives_what_the_page_says(row: list[str]) -> None:
    assert evaluate_template(f"${{% {_code(row[-2])} %}}", {}) == json.loads(_code(row[-1]))


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        pytest.param(_LANGUAGE, {*BUILTINS, *PREDICATES}, id="of the language"),
        pytest.param(_PROMOTION, {*declared("step")}, id="of a promotion"),
        pytest.param(_TEMPLATES, {*TEMPLATE_FUNCTIONS}, id="of templates"),
    ],
)
def test_the_page_has_one_entry_for_each_function_and_none_for_another(
    rows: list[list[str]], names: set[str]
) -> None:
    assert Counter(map(_name, rows)) == Counter(names)


@pytest.mark.parametrize("row", [*_LANGUAGE, *_PROMOTION, *_TEMPLATES], ids=_name)
def test_every_example_calls_the_function_that_it_explains(row: list[str]) -> None:
    assert re.search(rf"\b{_name(row)}\(", _code(row[-2]))


def _counts(signature: str) -> tuple[int, int | None]:
    """Return how many arguments a signature such as ``f(a, b[, c])`` has, at least and at most."""
    inside = signature.partition("(")[2].removesuffix(")")
    most = len(re.findall(r"\w+", inside))
    return most - inside.count("["), None if "…" in inside else most


@pytest.mark.parametrize("row", [*_LANGUAGE, *_PROMOTION], ids=_name)
def test_a_signature_has_the_arguments_that_the_function_takes(row: list[str]) -> None:
    name, counts = _name(row), _counts(_code(row[0]))
    if name in BUILTINS:
        least, most = BUILTINS[name].min_args, BUILTINS[name].max_args
    elif name in PREDICATES:
        least, most = PREDICATES[name].needed, PREDICATES[name].allowed
    else:
        least, most = declared("step")[name].min_args, declared("step")[name].max_args
    # The page leaves it to the language's own definition what a date may be made of besides.
    assert counts == ((1, 3) if name == "date" else (least, most))


@pytest.mark.parametrize("row", _PROMOTION, ids=_name)
def test_a_function_is_available_where_the_page_says(row: list[str]) -> None:
    places = [place for place in get_args(Place) if not declared(place)[_name(row)].refusal]
    assert row[1].split(", ") == [_WORDS[place] for place in places]


@pytest.mark.parametrize(("word", "kind"), [("time", Moment), ("duration", Span)])
def test_the_methods_of_times_are_those_of_the_page(word: str, kind: Any) -> None:
    sentence = re.search(rf"A {word} has (.*?)\.\s", read(_PAGE), re.DOTALL)
    assert sentence
    assert set(re.findall(r"`(\w+)\(", sentence[1])) == set(METHODS[kind])


def _result_names(name: str) -> set[str]:
    row = re.search(rf"^\| `{name}` \| (.*) \|$", read(_PAGE), re.MULTILINE)
    assert row
    return set(re.findall(r"`(\w+)", row[1]))


@pytest.mark.parametrize(
    "name", ["imageFrom", "commitFrom", "chartFrom", "artifactFrom", "semverParse"]
)
def test_what_a_result_holds_is_what_the_page_says(name: str) -> None:
    fields = declared("step")[name].result.fields
    assert fields is not None
    assert _result_names(name) == set(fields)
