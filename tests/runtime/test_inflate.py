from __future__ import annotations

import pytest

from airfreight.errors import RefusedError
from airfreight.model.stage import PromotionTask, Stage, TaskReference
from airfreight.runtime.inflate import inflate, steps_digest

ORIGIN = {"origin": {"name": "web"}, "sources": {"direct": True}}
TASK = {
    "name": "build",
    "vars": [{"name": "branch", "value": "main"}, {"name": "image", "value": ""}],
    "steps": [
        {"uses": "echo"},
        {"uses": "echo", "as": "push", "vars": [{"name": "branch", "value": "own"}]},
    ],
}


def stage(*steps, stage_vars=(), template_vars=()):
    return Stage.model_validate(
        {
            "name": "dev",
            "vars": _vars(stage_vars),
            "requestedFreight": [ORIGIN],
            "promotionTemplate": {"vars": _vars(template_vars), "steps": list(steps)},
        }
    )


def _vars(pairs):
    return [{"name": name, "value": value} for name, value in pairs]


def tasks(*documents):
    known = {task["name"]: PromotionTask.model_validate(task) for task in documents}

    def find(reference: TaskReference) -> PromotionTask | None:
        return known.get(reference.name)

    return find


def values(step):
    return [(variable.name, variable.value) for variable in step.vars]


def test_steps_and_tasks_are_counted_together_from_one():
    here = stage(
        {"uses": "echo"},
        {"task": {"name": "build"}},
        {"uses": "echo", "as": "last"},
        {"uses": "echo"},
        stage_vars=[("image", "web")],
    )
    inflated, _ = inflate(here, tasks(TASK))
    assert [(step.alias, step.task_alias) for step in inflated] == [
        ("step-1", ""),
        ("task-2::step-1", "task-2"),
        ("task-2::push", "task-2"),
        ("last", ""),
        ("step-4", ""),
    ]


@pytest.mark.parametrize(
    ("stage_vars", "template_vars", "given", "expected"),
    [
        pytest.param([], [], [("image", "i")], [("branch", "main"), ("image", ""), ("image", "i")],
                     id="a default holds where nothing above is set"),
        pytest.param([("branch", "b"), ("image", "i")], [], [], [],
                     id="what the Stage sets replaces the default"),
        pytest.param([("branch", "b")], [("image", "i"), ("branch", "")], [], [("branch", "main")],
                     id="an empty value above does not replace it"),
        pytest.param([("image", "i")], [], [("branch", "r")], [("branch", "main"), ("branch", "r")],
                     id="the reference comes after the default"),
    ],
)  # fmt: skip
def test_vars_of_a_task_stand_in_order_of_precedence(stage_vars, template_vars, given, expected):
    here = stage(
        {"task": {"name": "build"}, "vars": _vars(given)},
        stage_vars=stage_vars,
        template_vars=template_vars,
    )
    (first, push), shared = inflate(here, tasks(TASK))
    assert values(first) == expected
    assert values(push) == [*expected, ("branch", "own")]
    assert [(v.name, v.value) for v in shared] == [*stage_vars, *template_vars]


NESTED = {"name": "nested", "steps": [{"task": {"name": "build"}}]}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        pytest.param([{"task": {"name": "gone"}}], "there is no PromotionTask 'gone'", id="unknown"),
        pytest.param([{"task": {"name": "build"}}], "missing value for variable 'image'", id="value"),
        pytest.param([{"task": {"name": "nested"}}], "refers to a task itself", id="nesting"),
        pytest.param([{"uses": "a", "as": "x"}, {"uses": "b", "as": "x"}], "alias 'x'", id="alias"),
    ],
)  # fmt: skip
def test_what_cannot_be_inflated_is_refused(steps, message):
    with pytest.raises(RefusedError, match=message):
        inflate(stage(*steps), tasks(TASK, NESTED))


def test_a_control_flow_stage_has_nothing_to_inflate():
    here = Stage.model_validate({"name": "all", "requestedFreight": [ORIGIN]})
    with pytest.raises(RefusedError, match="Stage all has no promotionTemplate"):
        inflate(here, tasks())


def test_a_plain_step_keeps_all_that_it_says():
    said = {
        "uses": "http",
        "if": "${{ always() }}",
        "continueOnError": True,
        "retry": {"timeout": "5m", "errorThreshold": 3},
        "config": {"url": "u"},
    }
    (step,), _ = inflate(stage(said), tasks())
    assert step.if_ == "${{ always() }}"
    assert step.continue_on_error
    assert (step.retry.error_threshold, step.config) == (3, {"url": "u"})


def test_the_digest_changes_with_steps_and_vars_and_with_nothing_else():
    one = stage({"uses": "echo", "config": {"a": 1, "b": 2}}, stage_vars=[("x", "1")])
    same = stage({"uses": "echo", "config": {"b": 2, "a": 1}}, stage_vars=[("x", "1")])
    step = stage({"uses": "echo", "config": {"a": 1, "b": 3}}, stage_vars=[("x", "1")])
    variable = stage({"uses": "echo", "config": {"a": 1, "b": 2}}, stage_vars=[("x", "2")])
    digest, again, *others = (
        steps_digest(*inflate(s, tasks())) for s in (one, same, step, variable)
    )
    assert digest == again
    assert digest not in others
