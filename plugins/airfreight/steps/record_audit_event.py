"""The step record-audit-event: writes one event into the Stage's register."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field

from airfreight.errors import TerminalStepError
from airfreight.model.audit import AuditEvent
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult

# A Stage's events are one value in Airflow's state store, which holds 64 KiB without a warning.
_LARGEST = 1_000


class RecordAuditEventConfig(StepConfig):
    """Config of record-audit-event (`kargo.md` §2.11)."""

    message: str = Field(min_length=1)
    type: str = Field(default="recorded", min_length=1)
    actor: str = ""
    data: dict[str, str | int | float | bool] = Field(default_factory=dict)


class RecordAuditEventStep(PromotionStep[RecordAuditEventConfig]):
    """Records one event for each Promotion and alias; a second run finds it there."""

    kind = "record-audit-event"
    config_type = RecordAuditEventConfig
    uses_workdir = False
    outside_effect = "records an event in the register"

    def run(self, config: RecordAuditEventConfig, context: StepContext) -> StepResult:
        event = AuditEvent(
            promotion=context.promotion,
            step=context.alias,
            at=datetime.now(UTC),
            type=context.redact(config.type),
            actor=context.redact(config.actor or context.actor),
            message=context.redact(config.message),
            data={
                context.redact(key): _shown(value, context) for key, value in config.data.items()
            },
        )
        size = len(event.model_dump_json().encode())
        if size > _LARGEST:
            raise TerminalStepError(
                f"the event has {size} bytes; up to {_LARGEST} are kept: shorten message or data"
            )
        context.record_event(event)
        # The log may be kept for longer than the register's last events.
        actor = event.actor or "nobody"
        context.log.info("Audit event %s by %s: %s", event.type, actor, event.message)
        return StepResult()


def _shown(value: str | int | float | bool, context: StepContext) -> str | int | float | bool:
    return context.redact(value) if isinstance(value, str) else value
