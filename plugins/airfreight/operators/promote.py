"""The promotion of one Freight to one Stage: one task, all steps (design, "A promotion is one task")."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any, NoReturn

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator, Context
from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
    TaskDeferred,
)

from airfreight.errors import AirfreightError
from airfreight.hooks.configuration import read_settings
from airfreight.hooks.decisions import decisions_of, read_decision
from airfreight.hooks.notifier_runner import NotifierRunner
from airfreight.hooks.operator_runner import OperatorRunner
from airfreight.hooks.processes import end_children, watched
from airfreight.hooks.runs import promotion_has_ended, skip_tasks
from airfreight.hooks.step_context import (
    drop_expired_workdirs,
    drop_kept_workdir,
    engine_maker,
    kept_workdir,
    workspace,
)
from airfreight.model.naming import GATE, PROMOTE, VERIFY, stage_task_id
from airfreight.model.promotion import PromotionPhase
from airfreight.model.waiting import Event, Person
from airfreight.operators.pipeline import (
    PipelineRuntime,
    Subject,
    run_facts,
    utc_now,
)
from airfreight.operators.waiting import (
    FIRST,
    Return,
    await_event,
    await_person,
    failed,
    refuse_second_request,
)
from airfreight.runtime.aborting import (
    ENDED_IN_AIRFLOW,
    abort_asked,
    end_aborted,
)
from airfreight.runtime.availability import Registers
from airfreight.runtime.claim import MadeDecision, goes_first, is_spent, take
from airfreight.runtime.fence import Fence
from airfreight.runtime.inflate import inflate, steps_digest
from airfreight.runtime.plan import describe_wait
from airfreight.runtime.promoting import (
    arrive,
    begin,
    check_decision,
    make_promotion,
    settle_hold,
)
from airfreight.runtime.records import Claim, PromotionRecord
from airfreight.runtime.stage_register import StageRegister
from airfreight.runtime.work import PromotionWork
from airfreight.steps.installed import step_registry

# How long a promote waits before it looks again whether it is its turn: a claim ends unseen, so it has to ask.
_TURN_LOOK = timedelta(seconds=5)

# Seconds. An abort of a running step is noticed within this time.
_ABORT_LOOK = 5.0


class PromoteOperator(BaseOperator):
    """Carries out the gate's decision: checks it again, takes the Stage's claim, runs the steps.

    A Promotion goes on after a deferral and after Airflow's own retry; a cleared task or another run is a new one and
    needs a new decision. One that ends Failed or Errored is not retried.

    :param runtime: manifests and assets of the pipeline.
    :param stage_name: the Stage.
    :param behind: ids of the tasks that only this promotion leads to; skipped where it is superseded.
    """

    def __init__(
        self, *, runtime: PipelineRuntime, stage_name: str, behind: list[str], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.runtime = runtime
        self.stage_name = stage_name
        self.behind = behind
        self._fence: Fence | None = None
        self._runner: OperatorRunner | None = None

    def execute(self, context: Context) -> Any:
        """Begin a Promotion, or go on with the one that this run began."""
        return self._enter(context, FIRST)

    def resume(
        self,
        context: Context,
        event: Any = None,
        asked: str | None = None,
        deferred: dict[str, Any] | None = None,
    ) -> Any:
        """Go on after the task was parked: the register knows at which step, `event` is for that one."""
        return self._enter(context, Return(event, asked, deferred))

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> Any:
        """Go on as Airflow says; that a trigger failed is told to the step that waits, which counts it as an error."""
        if next_method != TRIGGER_FAIL_REPR:
            return super().resume_execution(next_method, next_kwargs, context)
        self.log.warning("The trigger failed: %s", (next_kwargs or {}).get("error"))
        return self._enter(context, failed(next_kwargs or {}))

    def _enter(self, context: Context, back: Return) -> Any:
        subject = self.runtime.subject(self.stage_name, context)
        fence = self._fence = Fence(subject.register, uuid.uuid4().hex)
        try:
            return self._promote(context, subject, fence, back)
        except AirfreightError as error:
            reason = self._why_stopped(context, fence)
            if reason is not None:
                # What the end from outside broke off is no cause that a reader of the log should look for.
                raise AirflowFailException(reason) from None
            raise AirflowFailException(str(error)) from error

    def on_kill(self) -> None:
        """Let the promotion end by itself, without its child processes: Airflow kills it a few seconds later."""
        if self._fence is not None:
            self._fence.stopped.set()
            self._end_processes()

    def _end_processes(self) -> None:
        if self._runner is not None:
            self._runner.on_kill()
        end_children()

    def _why_stopped(self, context: Context, fence: Fence) -> str | None:
        """Return why this promotion was ended from outside, and write that down; None where it was not."""
        register, run_id = fence.register, context["dag_run"].run_id
        record = register.promotion_of(run_id)
        asked = abort_asked(register, run_id, record.promotion.started_at) if record else None
        if asked is None and (fence.is_lost or not fence.stopped.is_set()):
            return None
        reason = asked.reason_shown if asked is not None else ENDED_IN_AIRFLOW
        _end_unfinished(register, run_id, reason)
        return reason

    def _promote(self, context: Context, subject: Subject, fence: Fence, back: Return) -> Any:
        fence.enter()
        record = self._begun(context, subject.register)
        if record is None:
            self.runtime.refuse_disabled(f"Stage {self.stage_name}")
            record = self._begin(context, subject, fence)
        if record.status.phase.is_terminal:
            # Somebody ended it while it waited.
            drop_kept_workdir(record.promotion.name)
            return self._end(context, record, subject.registers)
        return self._work(context, record, subject, fence, back)

    def _begun(self, context: Context, register: StageRegister) -> PromotionRecord | None:
        """Return this run's own Promotion, unless somebody cleared the task since."""
        run = register.run(context["dag_run"].run_id)
        if run is None or context["ti"].max_tries > run.max_tries:
            return None
        return register.promotion(run.promotion)

    def _begin(self, context: Context, subject: Subject, fence: Fence) -> PromotionRecord:
        facts, now = run_facts(context), utc_now()
        stage, freight, registers = subject.stage, subject.freight, subject.registers.at_once()
        mine = read_decision(
            context, self._register_asset, facts.dag_id, facts.run_id, self._task(GATE)
        )
        if mine is None:
            raise AirfreightError(
                f"the gate of {stage.name} made no decision in this run; clear it to ask again"
            )
        if is_spent(mine, subject.register):
            # The process that carried it out is gone, or shut out by the fence.
            _end_unfinished(subject.register, facts.run_id, ENDED_IN_AIRFLOW)
            raise AirfreightError(
                "this decision was carried out before; clear the gate to ask again"
            )
        asked = abort_asked(subject.register, facts.run_id, mine.at)
        if asked is not None:
            raise AirfreightError(f"{asked.reason_shown}; clear the gate to ask again")
        self._wait_for_turn(context, mine, subject.register)
        inflated = inflate(stage, self.runtime.project.find_task)
        superseded = check_decision(
            mine.decision, freight, stage, steps_digest(*inflated), registers, now
        )
        if superseded is not None:
            self._skip(superseded.reason)
        promotion = make_promotion(
            mine.decision, freight, stage, inflated, self.runtime.project.name, registers, now
        )
        claim = Claim(dag_id=facts.dag_id, run_id=facts.run_id, promotion=promotion.name)
        fence.check()
        left = take(claim, subject.register, now)
        if left is not None:
            self.log.warning("Promotion %s was left unfinished and is Aborted now", left)
            drop_kept_workdir(left)
        drop_expired_workdirs(now, self.log)
        settle_hold(promotion, stage, registers, now, by_hand=mine.decision.decision == "by hand")
        self.log.info("Promotion %s begins", promotion.name)
        return begin(promotion, mine.decision, claim, context["ti"].max_tries, subject.register)

    def _wait_for_turn(self, context: Context, mine: MadeDecision, register: StageRegister) -> None:
        def has_ended(dag_id: str, run_id: str) -> bool:
            return promotion_has_ended(dag_id, run_id, self._task(PROMOTE), self._task(VERIFY))

        others = decisions_of(context, self._register_asset, mine.dag_id, self._task(GATE))
        first = goes_first(mine, others, register, has_ended)
        if first:
            self.log.info(
                "Waiting for %s: one promotion at a time in %s", ", ".join(first), self.stage_name
            )
            # One look at a time runs in a Stage: who waits for many looks seldom, or the next in turn would starve.
            raise AirflowRescheduleException(utc_now() + _TURN_LOOK * len(first))

    def _work(
        self,
        context: Context,
        record: PromotionRecord,
        subject: Subject,
        fence: Fence,
        back: Return,
    ) -> Any:
        runner = self._runner = OperatorRunner(
            read_settings().allowed_operators(),
            self.runtime.project.connections,
            record.promotion.name,
            context,
            self.log,
        )
        work = self._prepare(context, record, subject, fence, runner)
        with watched(
            lambda: self._is_aborted(context, record, fence),
            fence.stopped,
            _ABORT_LOOK,
            self._end_processes,
        ):
            outcome = work.run(back.delivery)
        if outcome.status.phase.is_terminal:
            return self._end(context, outcome, subject.registers)
        return self._wait(context, outcome, subject, back, runner)

    def _prepare(
        self,
        context: Context,
        record: PromotionRecord,
        subject: Subject,
        fence: Fence,
        runner: OperatorRunner,
    ) -> PromotionWork:
        """Put together what runs the Promotion's steps; a step's operator runs by `runner`."""
        steps, project = step_registry(), self.runtime.project
        notifiers = NotifierRunner(
            read_settings().allowed_notifiers(), project.connections, context, self.log
        )
        objects = self.runtime.objects(subject.registers, context)
        return PromotionWork(
            record=record,
            fence=fence,
            workspace=workspace(),
            kept=lambda: kept_workdir(record.promotion.name),
            steps=steps,
            clock=utc_now,
            engine_for=engine_maker(
                project, steps, utc_now, self.log, fence, objects, runner, notifiers.notify
            ),
        )

    def _wait(
        self,
        context: Context,
        record: PromotionRecord,
        subject: Subject,
        back: Return,
        runner: OperatorRunner,
    ) -> NoReturn:
        status = record.status
        delay = status.retry_after or timedelta(seconds=10)
        self.log.info("Waiting %s: %s", delay, status.message)
        if isinstance(status.waits_for, Person):
            refuse_second_request(status)
            await_person(
                context,
                status.waits_for,
                delay,
                back,
                lambda wait: describe_wait(wait, record, subject.stage, subject.registers),
            )
        if isinstance(status.waits_for, Event) and runner.deferred is not None:
            await_event(runner.deferred, delay, back)
        raise TaskDeferred(
            trigger=TimeDeltaTrigger(delay),
            method_name="resume",
            kwargs={"asked": back.asked},
            timeout=delay + timedelta(days=1),
        )

    @staticmethod
    def _is_aborted(context: Context, record: PromotionRecord, fence: Fence) -> bool:
        run_id, since = context["dag_run"].run_id, record.promotion.started_at
        return abort_asked(fence.register, run_id, since) is not None

    def _end(
        self, context: Context, record: PromotionRecord, registers: Registers
    ) -> dict[str, Any]:
        status = record.status
        name = record.promotion.name
        if status.phase is not PromotionPhase.SUCCEEDED:
            raise AirflowFailException(f"Promotion {name} ended {status.phase}: {status.message}")
        arrive(record, registers, utc_now())
        self._announce(context, record)
        return {"promotion": name, "freight": record.promotion.freight, "outputs": status.state}

    def _announce(self, context: Context, record: PromotionRecord) -> None:
        freight = record.promotion.target
        extra: dict[str, Any] = {
            "freight": freight.to_json(),
            "promotion": record.promotion.name,
            "stage": self.stage_name,
        }
        for asset in (self.runtime.assets.stages[self.stage_name], self._register_asset):
            context["outlet_events"][self.runtime.assets.alias_of(asset)].add(asset, extra=extra)

    def _skip(self, reason: str) -> NoReturn:
        skip_tasks(self.behind)
        self.log.info("Skipped: %s", reason)
        raise AirflowSkipException(reason)

    def _task(self, task: str) -> str:
        return stage_task_id(self.stage_name, task)

    @property
    def _register_asset(self) -> Any:
        return self.runtime.assets.stage_registers[self.stage_name]


def _end_unfinished(register: StageRegister, run_id: str, reason: str) -> None:
    """End this run's promotion as Aborted, if it has not ended yet."""
    ended = end_aborted(register, run_id, reason, utc_now())
    if ended is not None:
        drop_kept_workdir(ended)
