"""The gate of a Stage: waits, asks a person where the policy says so, and records the decision."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any, NoReturn

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Context
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
    TaskAwaitingInput,
)
from airflow.sdk.execution_time.hitl import upsert_hitl_detail

from airfreight.hooks.configuration import read_settings
from airfreight.hooks.runs import skip_tasks
from airfreight.model.freight import Freight
from airfreight.model.stage import Stage
from airfreight.operators.pipeline import (
    UPSTREAM_LOOK,
    PipelineRuntime,
    Subject,
    chosen_stages,
    run_facts,
    upstreams_have_ended,
    utc_now,
)
from airfreight.runtime.availability import available
from airfreight.runtime.gate import Ask, Close, Decide, Look, Question, Wait, look
from airfreight.runtime.inflate import inflate, steps_digest
from airfreight.runtime.plan import describe_request
from airfreight.runtime.records import ClosedGate, Decision, DecisionKind

APPROVE = "Approve"
REJECT = "Reject"
KEEP_REQUESTS = "airfreight/keep-requests"

# Seconds. The least time that a gate stays parked: an answer in the moment of a look is retried.
_SHORTEST_LOOK = 5.0


class GateOperator(HITLOperator):
    """Decides whether a Freight goes on to `promote`, and records that as an asset event.

    The operator's `params` are the fields of the request's form; `message` is the reason that a person gives.
    It makes a request only where a person has to answer; it waits for soak or for an upstream without one. At each look
    it asks the register again, so a request whose Freight was superseded closes by itself.

    :param runtime: manifests and assets of the pipeline.
    :param stage_name: the Stage.
    :param behind: ids of the tasks that only this gate leads to; skipped with it.
    """

    def __init__(
        self, *, runtime: PipelineRuntime, stage_name: str, behind: list[str], **kwargs: Any
    ) -> None:
        super().__init__(
            subject=f"Promote to {stage_name}?",
            options=[APPROVE, REJECT],
            **kwargs,
        )
        self.runtime = runtime
        self.stage_name = stage_name
        self.behind = behind

    def execute(self, context: Context) -> Any:
        """Look for the first time."""
        return self._look(context, digest=None)

    def execute_complete(
        self, context: Context, event: dict[str, Any], digest: str | None = None
    ) -> Any:
        """Take the answer, or look again where none came.

        :param digest: the Stage's steps and vars as the person was shown them.
        """
        if "error" in event:
            if event.get("error_type") != "timeout":
                raise AirflowFailException(f"the request failed: {event['error']}")
            return self._look(context, digest=digest)
        user = event.get("responded_by_user") or {}
        actor = str(user.get("name") or user.get("id") or "somebody")
        message = str((event.get("params_input") or {}).get("message") or "")
        if event["chosen_options"] != [APPROVE]:
            self._end_rejected(context, actor, message)
        subject = self.runtime.subject(self.stage_name, context)
        self._accept(subject)
        return self._decide(
            context, subject.freight, Decide("approved", actor, message), digest or ""
        )

    def _question(self, subject: Subject, context: Context) -> Question:
        stage, facts = subject.stage, run_facts(context)
        return Question(
            stage=stage,
            freight=subject.freight,
            run=facts,
            auto_promotes=self.runtime.project.config.auto_promotes(stage.name, stage.labels),
            keeps_requests=stage.annotations.get(KEEP_REQUESTS) == "true",
            upstreams_ended=upstreams_have_ended(self.runtime, stage, facts),
        )

    def _accept(self, subject: Subject) -> None:
        """Refuse an approval of what is not available any more; that of a superseded request is honoured."""
        freight = subject.freight
        answer = available(
            freight.name, freight.content.origin, subject.stage, subject.registers, utc_now()
        )
        if not answer.available:
            raise AirflowFailException(
                f"{freight.alias} was approved but is not available any more: {answer.reason}"
            )

    def _look(self, context: Context, digest: str | None) -> Any:
        chosen = chosen_stages(context["dag_run"].conf or {})
        if chosen is not None and self.stage_name not in chosen:
            self._skip("not among the Stages of this run")
        self.runtime.refuse_disabled(f"Stage {self.stage_name}")
        subject = self.runtime.subject(self.stage_name, context).at_once()
        self._close_if_passed(context, subject)
        answer: Look = look(self._question(subject, context), subject.registers, utc_now())
        match answer:
            case Wait():
                self._wait(answer)
            case Close():
                self._close(context, subject, answer.reason)
            case Ask():
                self._ask(context, subject, digest)
            case Decide():
                digest = self._digest(subject.stage)
        return self._decide(context, subject.freight, answer, digest)

    def _close_if_passed(self, context: Context, subject: Subject) -> None:
        """Close where this run has been through here: a task that left the DAG and came back runs again.

        A gate that somebody cleared looks again: its `max_tries` has grown.
        """
        register, run_id = subject.register, context["dag_run"].run_id
        max_tries = context["ti"].max_tries
        closed = register.closed(run_id)
        if closed is not None and max_tries <= closed.max_tries:
            self._skip(closed.reason)
        if register.run(run_id) is not None and max_tries <= (self.retries or 0):
            self._skip(f"this run has been promoted to {self.stage_name}")

    def _digest(self, stage: Stage) -> str:
        return steps_digest(*inflate(stage, self.runtime.project.find_task))

    def _wait(self, wait: Wait) -> NoReturn:
        latest = utc_now() + timedelta(seconds=read_settings().gate_look_interval)
        until = wait.until or utc_now() + UPSTREAM_LOOK
        self.log.info("Waiting until %s: %s", until, wait.reason)
        raise AirflowRescheduleException(min(until, latest))

    def _ask(self, context: Context, subject: Subject, digest: str | None) -> NoReturn:
        if digest is None:
            stage = subject.stage
            self.subject, self.body = describe_request(subject.freight, stage, subject.registers)
            digest = self._digest(stage)
            upsert_hitl_detail(
                ti_id=context["ti"].id,
                options=self.options,
                subject=self.subject,
                body=self.body,
                defaults=None,
                multiple=False,
                params=self.serialized_params,
                assigned_users=self.assigned_users,
            )
            self.log.info("Asking: %s", self.subject)
        interval = timedelta(seconds=max(read_settings().gate_look_interval, _SHORTEST_LOOK))
        raise TaskAwaitingInput(
            method_name="execute_complete", kwargs={"digest": digest}, timeout=interval
        )

    def _decide(
        self, context: Context, freight: Freight, answer: Decide, digest: str
    ) -> dict[str, Any]:
        decision = Decision(
            decision=answer.decision,
            stage=self.stage_name,
            freight=freight.name,
            actor=answer.actor,
            reason=answer.reason,
            nonce=uuid.uuid4().hex,
            digest=digest,
            decided_at=utc_now(),
        )
        register = self.runtime.assets.stage_registers[self.stage_name]
        alias = self.runtime.assets.alias_of(register)
        extra = decision.model_dump(mode="json", by_alias=True)
        context["outlet_events"][alias].add(register, extra=extra)
        self.log.info(
            "%s goes on to %s: %s",
            freight.alias,
            self.stage_name,
            _say(answer.decision, answer.actor),
        )
        return {"decision": decision.decision, "actor": decision.actor, "freight": freight.name}

    def _close(self, context: Context, subject: Subject, reason: str) -> NoReturn:
        self._record_closed(context, subject, reason)
        self._skip(reason)

    def _skip(self, reason: str) -> NoReturn:
        skip_tasks(self.behind)
        self.log.info("Closed: %s", reason)
        raise AirflowSkipException(reason)

    def _end_rejected(self, context: Context, actor: str, message: str) -> NoReturn:
        subject = self.runtime.subject(self.stage_name, context)
        reason = f"rejected by {actor}" + (f": {message}" if message else "")
        self._record_closed(context, subject, reason, rejected=True)
        skip_tasks(self.behind)
        raise AirflowFailException(reason)

    def _record_closed(
        self, context: Context, subject: Subject, reason: str, *, rejected: bool = False
    ) -> None:
        closed = ClosedGate(
            freight=subject.freight.name,
            reason=reason,
            rejected=rejected,
            at=utc_now(),
            max_tries=context["ti"].max_tries,
        )
        subject.register.close(context["dag_run"].run_id, closed)


def _say(decision: DecisionKind, actor: str) -> str:
    return f"{decision} by {actor}" if decision == "approved" else f"{decision} {actor}".strip()
