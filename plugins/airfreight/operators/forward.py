"""The only task of a control-flow Stage."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import (
    AirflowRescheduleException,
    AirflowSkipException,
)

from airfreight.hooks.runs import skip_tasks
from airfreight.operators.pipeline import (
    UPSTREAM_LOOK,
    PipelineRuntime,
    run_facts,
    upstreams_have_ended,
    utc_now,
)
from airfreight.runtime.availability import available


class ForwardOperator(BaseOperator):
    """Marks the Freight as verified in a control-flow Stage as soon as it is available there.

    :param runtime: manifests and assets of the pipeline.
    :param stage_name: the Stage.
    :param behind: ids of the tasks that only this Stage leads to; skipped where it ends without the Freight.
    """

    def __init__(
        self, *, runtime: PipelineRuntime, stage_name: str, behind: list[str], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.runtime = runtime
        self.stage_name = stage_name
        self.behind = behind

    def execute(self, context: Context) -> str:
        """Return the name of the forwarded Freight."""
        self.runtime.refuse_disabled(f"Stage {self.stage_name}")
        subject = self.runtime.subject(self.stage_name, context)
        stage, freight = subject.stage, subject.freight
        now = utc_now()
        answer = available(freight.name, freight.content.origin, stage, subject.registers, now)
        if not answer.available:
            ended = upstreams_have_ended(self.runtime, stage, run_facts(context))
            if answer.ready_at is None and ended:
                skip_tasks(self.behind)
                raise AirflowSkipException(f"not available to {stage.name}: {answer.reason}")
            self.log.info("Waiting: %s", answer.reason)
            raise AirflowRescheduleException(answer.ready_at or now + UPSTREAM_LOOK)
        subject.register.mark_verified(freight.name, now)
        self.log.info("%s is forwarded through %s", freight.alias, stage.name)
        return freight.name
