from __future__ import annotations

from datetime import timedelta

import pytest

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.model.promotion import PromotionPhase, PromotionStatus, StepStatus
from airfreight.runtime.engine import abort, needs_workdir, restart
from airfreight.steps.base import StepResult
from tests.runtime.step_kinds import START, ScriptedStep, World, promotion, statuses

RUNNING = StepResult(StepStatus.RUNNING, message="waiting")
FAIL = TerminalStepError("refused", failed=True)
DEAD = TerminalStepError("gone")
TRY_AGAIN = RetryableStepError("busy")
USES = {"uses": "scripted"}


def run_once(*answers, timeout=None, **step):
    world = World([ScriptedStep(*answers, timeout=timeout)])
    return world, world.run(promotion({**USES, **step}))


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (StepResult(message="done"), "Succeeded", "done"),
        (StepResult(StepStatus.SKIPPED, message="nothing to do"), "Skipped", "nothing to do"),
        (StepResult(StepStatus.ABORTED, message="stopped"), "Aborted", "stopped"),
        (FAIL, "Failed", "refused"),
        (DEAD, "Errored", "an unrecoverable error occurred: gone"),
        (TRY_AGAIN, "Errored", 'step "step-1" met error threshold of 1: busy'),
        (RetryableStepError("no", failed=True), "Failed",
         'step "step-1" met error threshold of 1: no'),
        (StepResult(StepStatus.ERRORED, message="odd"), "Errored",
         'step "step-1" met error threshold of 1: odd'),
        (RuntimeError("token=s3cret"), "Errored",
         'an unrecoverable error occurred: step "step-1" (scripted) raised RuntimeError;'
         " this is a fault of the step, its place is in the log"),
        (SystemExit(3), "Errored",
         'an unrecoverable error occurred: step "step-1" (scripted) raised SystemExit;'
         " this is a fault of the step, its place is in the log"),
        (None, "Errored",
         'an unrecoverable error occurred: step "step-1" (scripted) raised AttributeError;'
         " this is a fault of the step, its place is in the log"),
        (StepResult(output={"at": START}), "Errored",
         "an unrecoverable error occurred: the step put out what JSON cannot hold:"
         " Object of type datetime is not JSON serializable"),
        (StepResult(output={"n": float("nan")}), "Errored",
         "an unrecoverable error occurred: the step put out what JSON cannot hold:"
         " Out of range float values are not JSON compliant"),
    ],
    ids=["succeeded", "skipped", "aborted", "failed for good", "terminal", "retryable",
         "failed, retryable", "errored without an error", "unexpected exception", "exit",
         "no result", "an output that is no JSON", "an output that is no number"],
)  # fmt: skip
def test_how_a_run_ends_is_how_its_step_ends(answer, status, message):
    _, ended = run_once(answer)
    (execution,) = ended.executions
    assert (execution.status.value, execution.message) == (status, message)


def test_the_text_of_a_foreign_exception_is_shown_nowhere(caplog):
    _, ended = run_once(RuntimeError("token=s3cret"))
    assert "s3cret" not in ended.model_dump_json() + caplog.text
    assert "raised RuntimeError at" in caplog.text


@pytest.mark.parametrize(
    ("answers", "phase", "message"),
    [
        ([("Succeeded", False)], "Succeeded", "m0"),
        ([("Skipped", False), ("Succeeded", False)], "Succeeded", "m0"),
        ([("Aborted", False), ("Succeeded", False)], "Aborted", "m0"),
        ([("Aborted", False), ("Failed", False)], "Failed", "m1"),
        ([("Failed", False), ("Errored", False)], "Errored", "m1"),
        ([("Failed", False), ("Failed", False)], "Failed", "m0"),
        ([("Errored", True), ("Succeeded", False)], "Succeeded", "m1"),
        ([("Errored", True)], "Succeeded", ""),
        ([("Errored", True), ("Failed", False)], "Failed", "m1"),
    ],
    ids=lambda value: "-".join(a + "*" * b for a, b in value) if isinstance(value, list) else None,
)
def test_the_worst_step_that_may_not_fail_decides_the_phase(answers, phase, message):
    results = {
        "Failed": lambda m: TerminalStepError(m, failed=True),
        "Errored": lambda m: StepResult(StepStatus.ERRORED, message=m),
    }
    given = [
        results.get(s, lambda m, s=s: StepResult(StepStatus(s), message=m))(f"m{i}")
        for i, (s, _) in enumerate(answers)
    ]
    world = World([ScriptedStep(*given)])
    documents = [{**USES, "continueOnError": c, "if": "${{ always() }}"} for _, c in answers]
    ended = world.run(promotion(*documents))
    assert ended.phase.value == phase
    assert ended.message.removeprefix('step "step-2" met error threshold of 1: ') == message
    assert ended.finished_at == START


NOT_KNOWN = {"uses": "ekho"}
TOLERATED = {**NOT_KNOWN, "continueOnError": True}


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([NOT_KNOWN, {}], ["Errored", "Skipped"]),
        ([TOLERATED, {}], ["Errored", "Succeeded"]),
        ([{"if": "${{ false }}"}, {}], ["Skipped", "Succeeded"]),
        ([NOT_KNOWN, {"if": "${{ always() }}"}], ["Errored", "Succeeded"]),
        ([NOT_KNOWN, {"if": "${{ failure() }}"}], ["Errored", "Succeeded"]),
        ([NOT_KNOWN, {"if": "${{ success() }}"}], ["Errored", "Skipped"]),
        ([{}, {"if": "${{ failure() }}"}], ["Succeeded", "Skipped"]),
        ([TOLERATED, {"if": "${{ failure() }}"}], ["Errored", "Skipped"]),
        ([NOT_KNOWN, {"if": "${{ status('step-1') == 'Errored' }}"}], ["Errored", "Succeeded"]),
        ([{"if": "${{ status('other') == '' }}"}], ["Succeeded"]),
        ([{"if": "true"}, {"if": "${{ always() }}"}], ["Errored", "Succeeded"]),
        ([{"if": "${{ 1 + 1 }}"}, {}], ["Errored", "Skipped"]),
        ([{"if": "${{ 'x' }}"}, {}], ["Errored", "Skipped"]),
        ([{"if": "${{ outputs.none.x }}"}, {}], ["Errored", "Skipped"]),
        ([{"config": {"a": "${{ outputs.none.x }}"}}, {"if": "${{ failure() }}"}],
         ["Errored", "Succeeded"]),
    ],
    ids=["an earlier failure skips", "a tolerated one does not", "a skipped one does not",
         "always runs", "failure runs", "success does not", "failure without one",
         "failure forgives the tolerated", "status of a step", "status of no step",
         "a text is no bool", "a number is no bool", "an expression's text is no bool",
         "an if that breaks", "a config that breaks"],
)  # fmt: skip
def test_what_runs_and_what_is_skipped(documents, expected):
    assert statuses(World().run(promotion(*documents))) == expected


def test_an_unknown_step_is_never_started_and_suggests_the_nearest():
    (execution,) = World().run(promotion(NOT_KNOWN)).executions
    assert execution.message == "step kind 'ekho' is not registered; did you mean 'echo'?"
    assert (execution.started_at, execution.finished_at) == (None, START)


def test_a_config_that_breaks_is_not_retried_and_names_the_expression():
    step = {"config": {"a": "${{ outputs.none.x }}"}, "retry": {"errorThreshold": 5}}
    (execution,) = World().run(promotion(step)).executions
    assert execution.message.startswith("config cannot be evaluated: ")
    assert "outputs.none.x" in execution.message


def test_a_config_of_the_wrong_shape_fails_for_good_and_names_every_field():
    config = {"depth": [], "repourl": "x"}
    step = {"uses": "typed", "config": config, "retry": {"errorThreshold": 5}}
    (execution,) = World().run(promotion(step)).executions
    assert execution.status is StepStatus.FAILED
    assert execution.message == (
        "invalid typed config: repoURL: required field is missing; "
        "depth: expected a whole number, found a list; repourl: there is no such field"
    )


@pytest.mark.parametrize(
    ("depth", "shown"),
    [
        ("${{ ctx.stage }}", 'expected a whole number, found a string: "dev"'),
        ("${{ 1 / 2 }}", "expected a whole number, found a number: 0.5"),
        ("${{ outputs.none }}", "expected a whole number, found nothing: null"),
        ("${{ {'a': 1} }}", "expected a whole number, found a mapping"),
        ("${{ quote(repeat('x', 900)) }}",
         f'expected a whole number, found a string: "{"x" * 358}…'),
    ],
    ids=["a text", "a fraction", "nothing", "a mapping", "a long text"],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_shown_as_it_was_evaluated(depth, shown):
    step = {"uses": "typed", "config": {"repoURL": "x", "depth": depth}}
    message = World().run(promotion(step)).message
    assert message == f"invalid typed config: depth: {shown}"


def test_a_value_of_a_field_that_nobody_shows_is_not_shown():
    config = {"repoURL": "x", "token": "${{ 4711 }}"}
    message = World().run(promotion({"uses": "typed", "config": config})).message
    assert message == "invalid typed config: token: expected a string, found a number"


def test_of_many_faults_the_first_ten_are_shown():
    config = {"repoURL": "x", **{f"f{number}": 1 for number in range(12)}}
    message = World().run(promotion({"uses": "typed", "config": config})).message
    assert message.count("there is no such field") == 10
    assert message.endswith("; and 2 more")


def test_errors_are_retried_in_the_worker_with_growing_pauses():
    world, ended = run_once(TRY_AGAIN, TRY_AGAIN, StepResult(), retry={"errorThreshold": 3})
    assert ended.phase is PromotionPhase.SUCCEEDED
    assert world.slept == [1, 2]
    assert [c.executions[0].message for c in world.changes if c.executions][1:3] == [
        "busy; step will be retried"
    ] * 2


def test_failed_without_an_error_is_not_counted_and_no_time_out_no_end():
    no = StepResult(StepStatus.FAILED, message="503")
    world, status = run_once(TRY_AGAIN, no, retry={"errorThreshold": 2, "timeout": "1h"})
    made = promotion({**USES, "retry": {"errorThreshold": 2, "timeout": "1h"}})
    for _ in range(3):
        assert (statuses(status), status.executions[0].error_count) == (["Running"], 1)
        status = world.run(made, status)
    world.now = START + timedelta(hours=1)
    ended = world.run(made, status)
    assert ended.message == 'step "step-1" timed out after 1:00:00: 503'


def test_the_threshold_is_met_by_the_nth_error():
    world, ended = run_once(TRY_AGAIN, retry={"errorThreshold": 3})
    assert ended.executions[0].error_count == 3
    assert ended.message == 'step "step-1" met error threshold of 3: busy'
    assert world.slept == [1, 2]


def test_a_worker_sleeps_thirty_seconds_at_most_and_then_lets_go():
    world, waiting = run_once(TRY_AGAIN, retry={"errorThreshold": 20})
    assert world.slept == [1, 2, 4, 8]
    assert waiting.phase is PromotionPhase.RUNNING
    assert waiting.retry_after == timedelta(seconds=16)
    again = world.run(promotion({**USES, "retry": {"errorThreshold": 20}}), waiting)
    assert again.retry_after == timedelta(seconds=32)
    assert world.slept == [1, 2, 4, 8]


def test_a_threshold_of_0_is_the_kinds_own():
    _, ended = run_once(TRY_AGAIN, retry={"errorThreshold": 0})
    assert ended.message == 'step "step-1" met error threshold of 1: busy'


def test_all_steps_of_a_turn_share_the_thirty_seconds():
    world = World([ScriptedStep(*[TRY_AGAIN] * 4, StepResult(), TRY_AGAIN)])
    patient = {**USES, "retry": {"errorThreshold": 20}}
    waiting = world.run(promotion(patient, patient))
    assert statuses(waiting) == ["Succeeded", "Running"]
    assert world.slept == [1, 2, 4, 8] * 2
    assert waiting.retry_after == timedelta(seconds=16)


def test_a_poll_in_between_does_not_forgive_errors():
    world, waiting = run_once(TRY_AGAIN, RUNNING, TRY_AGAIN, retry={"errorThreshold": 2})
    assert waiting.executions[0].error_count == 1
    ended = world.run(promotion({**USES, "retry": {"errorThreshold": 2}}), waiting)
    assert ended.phase is PromotionPhase.ERRORED


@pytest.mark.parametrize(
    ("answer", "retry", "expected"),
    [
        (RUNNING, {}, 300),
        (StepResult(StepStatus.RUNNING, retry_after=timedelta(seconds=42)), {}, 42),
        (StepResult(StepStatus.RUNNING, retry_after=timedelta(seconds=3)), {}, 10),
        (RUNNING, {"timeout": "90s"}, 90),
        (StepResult(StepStatus.RUNNING, retry_after=timedelta(seconds=3)), {"timeout": "5s"}, 5),
        (RUNNING, {"timeout": "1h"}, 300),
        (StepResult(StepStatus.FAILED, message="503"), {}, 300),
    ],
    ids=["default", "the step's wish", "no shorter than ten seconds", "up to the time-out",
         "a time-out below the floor", "a far time-out", "failed without an error"],
)  # fmt: skip
def test_a_step_that_waits_says_when_to_ask_again(answer, retry, expected):
    _, waiting = run_once(answer, retry=retry)
    assert waiting.phase is PromotionPhase.RUNNING
    assert waiting.retry_after == timedelta(seconds=expected)
    assert waiting.executions[0].status is StepStatus.RUNNING


def test_what_a_step_waits_for_its_attempt_and_its_next_try_are_kept_and_logged():
    asked = StepResult(StepStatus.RUNNING, message="#7 is open", retry_after=timedelta(seconds=42))
    world, waiting = run_once(TRY_AGAIN, asked, retry={"errorThreshold": 2})
    seen = [*world.changes, waiting]
    told = [(e.attempts, e.message, e.next_try_at) for c in seen for e in c.executions]
    again, later = START + timedelta(seconds=1), START + timedelta(seconds=43)
    busy = (1, "busy; step will be retried", again)
    tried_again = (2, "busy; step will be retried", None)
    assert told == [(1, "", None), busy, tried_again, (2, "#7 is open", later)]
    assert [message for _, event, message in world.groups if event == "end"] == [
        "Running: busy; step will be retried (attempt 1, next try at 2026-03-01 12:00:01Z)",
        "Running: #7 is open (attempt 2, next try at 2026-03-01 12:00:43Z)",
    ]
    stored = PromotionStatus.model_validate_json(waiting.model_dump_json())
    assert stored == waiting


def test_a_step_that_ended_has_no_next_try():
    world, waiting = run_once(RUNNING, StepResult())
    ended = world.run(promotion(USES), waiting).executions[0]
    assert (ended.attempts, ended.next_try_at) == (2, None)
    assert abort(waiting, lambda: START, "").executions[0].next_try_at is None


@pytest.mark.parametrize(
    ("default", "retry", "after", "status"),
    [
        (None, {"timeout": "1m"}, 59, "Running"),
        (None, {"timeout": "1m"}, 60, "Errored"),
        (timedelta(minutes=5), {}, 300, "Errored"),
        (timedelta(minutes=5), {"timeout": "10m"}, 300, "Running"),
        (timedelta(minutes=5), {"timeout": "0s"}, 86_400, "Running"),
        (None, {}, 86_400, "Running"),
    ],
    ids=["not yet", "now", "the kind's own", "the step's before the kind's", "0 is none", "none"],
)
def test_a_time_out_counts_from_the_first_start(default, retry, after, status):
    world, waiting = run_once(RUNNING, timeout=default, retry=retry)
    world.now = START + timedelta(seconds=after)
    later = world.run(promotion({**USES, "retry": retry}), waiting)
    assert statuses(later) == [status]
    assert ("timed out after" in later.executions[0].message) is (status == "Errored")


def test_a_promotion_that_took_too_long_ends_with_the_step_that_waits():
    world, waiting = run_once(RUNNING)
    world.now = START + timedelta(days=7) - timedelta(seconds=100)
    here = promotion({**USES}, {**USES, "if": "${{ failure() }}"})
    last = world.run(here, waiting)
    assert last.retry_after == timedelta(seconds=100)
    world.now += timedelta(seconds=100)
    ended = world.run(here, last)
    assert ended.phase is PromotionPhase.ERRORED
    assert ended.message.startswith("the promotion took longer than 7 days")
    # What handles failures runs once more and may not wait either.
    assert statuses(ended) == ["Errored", "Errored"]


def test_a_promotion_that_ends_after_its_time_without_waiting_is_not_too_late():
    world, waiting = run_once(RUNNING, StepResult())
    world.now = START + timedelta(days=8)
    assert world.run(promotion({**USES}), waiting).phase is PromotionPhase.SUCCEEDED


def test_a_run_that_ends_the_step_is_never_too_late():
    world, waiting = run_once(RUNNING, StepResult(), retry={"timeout": "1m"})
    world.now = START + timedelta(hours=1)
    ended = world.run(promotion({**USES, "retry": {"timeout": "1m"}}), waiting)
    assert ended.phase is PromotionPhase.SUCCEEDED


def test_if_is_asked_before_the_first_run_only_and_config_before_each():
    poll = ScriptedStep(
        StepResult(StepStatus.RUNNING, output={"n": "one"}), StepResult(output={"n": "two"})
    )
    step = {**USES, "if": "${{ outputs['step-1'] == nil }}"}
    step["config"] = {"seen": "${{ outputs['step-1']?.n }}"}
    world = World([poll])
    waiting = world.run(promotion(step))
    ended = world.run(promotion(step), waiting)
    assert ended.phase is PromotionPhase.SUCCEEDED
    assert poll.configs == [{"seen": None}, {"seen": "one"}]
    assert poll.previous == [None, {"n": "one"}]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (StepResult(output={"a": 1}), {"step-1": {"a": 1}}),
        (StepResult(), {"step-1": None}),
        (StepResult(StepStatus.RUNNING, output={"a": 1}), {"step-1": {"a": 1}}),
        (StepResult(StepStatus.ABORTED, output={"a": 1}), {"step-1": {"a": 1}}),
        (FAIL, {"step-1": None}),
    ],
    ids=["succeeded", "nothing put out", "running", "aborted", "raised"],
)
def test_every_run_leaves_its_output(answer, expected):
    assert run_once(answer)[1].state == expected


def test_a_run_that_raises_keeps_what_an_earlier_one_put_out():
    world, waiting = run_once(StepResult(StepStatus.RUNNING, output={"branch": "b"}), DEAD)
    assert world.run(promotion(USES), waiting).state == {"step-1": {"branch": "b"}}


def test_a_step_that_does_not_run_leaves_no_output():
    assert World().run(promotion(NOT_KNOWN, {})).state == {}


def test_a_composed_output_also_becomes_its_tasks():
    task = {"uses": "compose", "taskAlias": "t"}
    ended = World().run(
        promotion(
            {**task, "alias": "t::a", "config": {"x": "1"}},
            {**task, "alias": "t::b", "config": {"y": "2"}},
            {"uses": "compose", "alias": "out", "config": {"z": "${{ outputs.t.y }}"}},
            {"alias": "t::c", "taskAlias": "t", "config": {"w": "3"}},
        )
    )
    assert ended.state["t"] == {"x": "1", "y": "2"}
    assert ended.state["out"] == {"z": 2}
    assert set(ended.state) == {"t", "t::a", "t::b", "out", "t::c"}


def test_how_far_it_got_is_told_before_each_step_runs():
    world = World()
    world.run(promotion({"config": {"a": "1"}}, {"if": "${{ false }}"}, {}))
    assert [(c.phase.value, c.current_step, *statuses(c)) for c in world.changes] == [
        ("Running", 0, "Running"),
        ("Running", 2, "Succeeded", "Skipped", "Running"),
    ]
    assert world.changes[1].state == {"step-1": {"a": "1"}}


def test_each_step_opens_and_closes_its_group():
    world = World()
    world.run(promotion({}, NOT_KNOWN))
    assert world.groups[:3] == [
        ("step-1", "start", "echo"),
        ("step-1", "end", "Succeeded"),
        ("step-2", "start", "ekho"),
    ]
    assert world.groups[3][:2] == ("step-2", "end")
    assert world.groups[3][2].startswith("Errored: step kind 'ekho'")


def test_a_promotion_that_ended_runs_no_more():
    ended = PromotionStatus(phase=PromotionPhase.ABORTED, message="stopped")
    world = World()
    assert world.run(promotion({}), ended) is ended
    assert world.changes == []


def test_a_restart_keeps_outputs_and_start_and_nothing_else():
    world, waiting = run_once(StepResult(StepStatus.RUNNING, output={"pr": 1}), StepResult())
    again = restart(waiting)
    assert again == PromotionStatus(
        phase=PromotionPhase.RUNNING, state={"step-1": {"pr": 1}}, started_at=START
    )
    assert world.run(promotion(USES), again).phase is PromotionPhase.SUCCEEDED


def test_abort_ends_the_step_that_runs_and_leaves_the_others():
    world = World([ScriptedStep(RUNNING)])
    waiting = world.run(promotion({}, USES, {}))
    aborted = abort(waiting, lambda: START, "stopped by alice")
    assert statuses(aborted) == ["Succeeded", "Aborted"]
    assert (aborted.phase, aborted.message) == (PromotionPhase.ABORTED, "stopped by alice")
    assert (aborted.finished_at, aborted.retry_after) == (START, None)
    assert abort(aborted, lambda: START, "again") is aborted


@pytest.mark.parametrize(
    ("kinds", "current", "expected"),
    [
        (["files", "echo"], 0, True),
        (["files", "echo"], 1, False),
        (["echo", "files"], 1, True),
        (["echo", "unknown"], 0, False),
    ],
)
def test_the_work_directory_is_needed_while_a_step_that_is_left_uses_it(kinds, current, expected):
    status = PromotionStatus(phase=PromotionPhase.RUNNING, current_step=current)
    here = promotion(*({"uses": kind} for kind in kinds))
    assert needs_workdir(here, status, World().registry) is expected


@pytest.mark.parametrize("failed", [True, False], ids=["failed", "errored"])
def test_a_step_that_ends_for_good_may_have_a_last_output(failed):
    polled = StepResult(StepStatus.RUNNING, {"open": True})
    last = TerminalStepError("closed", failed=failed, output={"open": False})
    world = World([ScriptedStep(polled, last)])
    made = promotion(USES)
    ended = world.run(made, world.run(made))
    assert ended.state == {"step-1": {"open": False}}


def test_a_step_that_ends_for_good_without_an_output_keeps_its_earlier_one():
    world = World([ScriptedStep(StepResult(StepStatus.RUNNING, {"open": True}), FAIL)])
    made = promotion(USES)
    ended = world.run(made, world.run(made))
    assert ended.state == {"step-1": {"open": True}}
