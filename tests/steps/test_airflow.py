from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airfreight.errors import TerminalStepError
from airfreight.model.promotion import StepStatus
from airfreight.model.waiting import Delivery, Event, Happened
from airfreight.steps.airflow import AirflowStep
from airfreight.steps.base import Operators, StepResult
from tests.steps.examples import example_config
from tests.steps.files import context_at

DEFERRED = StepResult(StepStatus.RUNNING, {"pod": "a", "left": 1}, waits_for=Event(source="T"))
HAPPENED = Happened("resume", {"event": {"ok": True}})


class Answering:
    """Operators that answer with what they were given, and remember what they were asked for."""

    def __init__(self, result: StepResult) -> None:
        self._result = result
        self.calls: list[tuple[Any, ...]] = []

    def run(
        self, name: str, args: Mapping[str, Any], alias: str, happened: Happened | None
    ) -> StepResult:
        self.calls.append((name, dict(args), alias, happened))
        return self._result


def run(
    config: dict[str, Any],
    operators: Operators,
    delivered: Delivery | None = None,
    previous: dict[str, Any] | None = None,
) -> StepResult:
    context = replace(
        context_at(Path("/nowhere")),
        operators=operators,
        delivered=delivered,
        previous_output=previous,
    )
    return AirflowStep().run(AirflowStep.config_type.model_validate(config), context)


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({}, "operator"),
        ({"operator": ""}, "operator"),
        ({"operator": "a", "args": []}, "args"),
        ({"operator": "a", "retries": 3}, "retries"),
    ],
)
def test_a_bad_config_names_the_field(config, place):
    with pytest.raises(ValidationError) as refused:
        AirflowStep.config_type.model_validate(config)
    assert place in refused.value.errors()[0]["loc"]


def test_an_operator_that_defers_is_waited_for():
    operators = Answering(DEFERRED)
    assert run({"operator": "pod", "args": {"image": "a"}}, operators) == DEFERRED
    assert operators.calls == [("pod", {"image": "a"}, "step-1", None)]


def test_what_it_waited_for_goes_to_the_operator_and_what_it_pushed_before_stays():
    operators = Answering(StepResult(output={"left": 2, "return_value": "b"}))
    result = run({"operator": "pod"}, operators, HAPPENED, {"pod": "a", "left": 1})
    assert result == StepResult(output={"pod": "a", "left": 2, "return_value": "b"})
    assert operators.calls[0][3] == HAPPENED


def test_a_second_run_starts_the_operator_again_and_forgets_what_the_first_put_out():
    operators = Answering(StepResult(output={"return_value": 2}))
    result = run({"operator": "pod"}, operators, previous={"pod": "a"})
    assert result.output == {"return_value": 2}
    assert operators.calls[0][3] is None


def test_without_airflow_there_is_no_operator():
    with pytest.raises(TerminalStepError, match="runs in a promotion only"):
        AirflowStep().run(AirflowStep.config_type(operator="bash"), context_at(Path("/nowhere")))


def test_the_example_of_the_page_names_an_operator_and_its_arguments():
    operators = Answering(StepResult())
    run(example_config("airflow"), operators)
    ((name, args, *_),) = operators.calls
    assert name == "sql-check"
    assert args["parameters"] == {"version": "1.2.3"}
