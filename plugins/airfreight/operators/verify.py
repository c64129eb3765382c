"""The verification of what a Stage holds."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowSkipException

from airfreight.operators.pipeline import PipelineRuntime, utc_now


class VerifyOperator(BaseOperator):
    """Confirms the Freight that the Stage holds by this run's promotion; of nothing else it says why not.

    A Stage without verification is verified by the arrival itself, which `promote` wrote down. Cleared later, this task
    finds what the Stage holds by then.

    :param runtime: manifests and assets of the pipeline.
    :param stage_name: the Stage.
    """

    def __init__(self, *, runtime: PipelineRuntime, stage_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.runtime = runtime
        self.stage_name = stage_name

    def execute(self, context: Context) -> str:
        """Return the name of the verified Freight."""
        subject = self.runtime.subject(self.stage_name, context)
        stage, freight, register = subject.stage, subject.freight, subject.register
        current = register.current()
        if current is None or freight.name not in current.items.values():
            raise AirflowSkipException(f"{stage.name} does not hold {freight.alias}")
        if current.run_id != context["dag_run"].run_id:
            raise AirflowSkipException(
                f"{stage.name} holds {freight.alias} by run {current.run_id}, which verifies it"
            )
        register.mark_verified(freight.name, utc_now())
        self.log.info("%s is verified in %s", freight.alias, stage.name)
        return freight.name
