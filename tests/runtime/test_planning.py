"""A plan runs what stays in the work directory, and nothing that might not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from airfreight.errors import RetryableStepError
from airfreight.runtime.engine import PromotionEngine
from airfreight.runtime.functions import Sources
from airfreight.runtime.planning import Plan, PlanRegistry, plan_promotion
from airfreight.steps.base import StepContext, StepResult
from airfreight.steps.registry import StepRegistry
from tests.runtime.step_kinds import (
    START,
    AnyConfig,
    EchoStep,
    ScriptedStep,
    context_for,
    promotion,
)


class NoteStep(EchoStep):
    """A kind that says that it only works in its work directory."""

    kind = "note"
    outside_effect = ""

    def run(self, config: AnyConfig, context: StepContext) -> StepResult:
        return StepResult(output={"planning": context.planning, **(config.model_extra or {})})


class PushingStep(NoteStep):
    """One that says so and is wrong."""

    kind = "pushing"

    def run(self, config: AnyConfig, context: StepContext) -> StepResult:
        context.check_fence()
        return super().run(config, context)


class FlakyStep(ScriptedStep):
    kind = "flaky"
    outside_effect = ""
    default_error_threshold = 9


def plan(*steps: dict[str, object], flaky: FlakyStep | None = None) -> Plan:
    kinds = (NoteStep(), PushingStep(), flaky or FlakyStep(StepResult()))
    engine = PromotionEngine(
        registry=PlanRegistry(StepRegistry((EchoStep(), *kinds)), lambda _: None),
        context_for=context_for,
        clock=lambda: START,
        sleep=lambda _: None,
        save_progress=lambda _: None,
        on_step=lambda *_: None,
        sources=Sources(),
        ui_base_url="",
        longest=timedelta(days=7),
    )
    return plan_promotion(engine, promotion(*steps))


def test_a_kind_that_does_not_say_what_it_does_outside_ends_the_plan() -> None:
    made = plan({"uses": "echo"}, {"uses": "note"})
    assert made.stop is not None
    assert made.stop.message == "it may change something outside, as its kind does not say"
    assert [step.result for step in made.steps] == ["stops here", "not planned"]
    assert made.failure is None


def test_a_kind_that_nobody_knows_fails_the_plan_with_the_nearest_name() -> None:
    made = plan({"uses": "not"})
    assert made.failure is not None
    assert "did you mean 'note'?" in made.failure.message


def test_a_step_knows_that_it_is_planned() -> None:
    made = plan({"uses": "note"}, {"uses": "note", "if": "${{ outputs['step-1'].planning }}"})
    assert [step.result for step in made.steps] == ["Succeeded", "Succeeded"]
    assert made.stop is made.failure is None


def test_a_step_that_acts_outside_against_its_word_is_stopped_where_it_asks_the_fence() -> None:
    made = plan({"uses": "pushing"})
    assert made.failure is not None
    assert "a plan does nothing outside of its work directory" in made.failure.message


def test_a_step_that_has_to_be_tried_again_for_long_fails_the_plan() -> None:
    made = plan({"uses": "flaky"}, flaky=FlakyStep(RetryableStepError("no answer")))
    assert made.failure is not None
    assert made.failure == made.stop
    assert "no answer; step will be retried" in made.failure.message


def test_a_plan_has_failed_also_where_it_stops_behind_the_failure() -> None:
    made = plan({"uses": "pushing"}, {"uses": "echo", "if": "${{ failure() }}"})
    assert made.failure == made.steps[0]
    assert made.stop == made.steps[1]


def test_a_step_that_may_fail_fails_no_plan() -> None:
    made = plan({"uses": "pushing", "continueOnError": True}, {"uses": "note"})
    assert made.failure is None
    assert [step.result for step in made.steps] == ["Errored", "Succeeded"]


@pytest.mark.parametrize(
    ("behind", "message"),
    [
        ("${{ outputs.a.x }}", "uses what a puts out"),
        ("${{ outputs['a'].x }}", "uses what a puts out"),
        ('${{ outputs?.["a"] }}', "uses what a puts out"),
        ("${{ status('a') }}", "uses what a puts out"),
        ("${{ outputs.b }}", "uses what b puts out"),
        ("${{ outputs.ab }}", "comes after the stop"),
        ("${{ vars.a }}", "comes after the stop"),
        ("outputs of a", "comes after the stop"),
    ],
)
def test_a_step_behind_the_stop_names_the_first_output_that_it_lacks(
    behind: str, message: str
) -> None:
    made = plan(
        {"uses": "echo", "alias": "a"},
        {"uses": "note", "alias": "b"},
        {"uses": "note", "config": {"deep": [{"text": behind}]}},
    )
    assert made.steps[-1] == replace(made.steps[-1], result="not planned", message=message)
