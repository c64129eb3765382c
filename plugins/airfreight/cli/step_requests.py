"""Answers to steps that ask in the middle of a promotion, which may go on asking: the register says what was taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airfreight.cli.api import AirflowApi
from airfreight.cli.register import reading, stage_register
from airfreight.cli.requests import (
    MOST_ANSWERS,
    MOST_LOOKS,
    PARKING_SECONDS,
    OpenRequest,
    Option,
    Reply,
    present_response,
    send,
)
from airfreight.cli.runs import ENDED_TASK, looks, why
from airfreight.cli.world import World
from airfreight.errors import RefusedError
from airfreight.model.promotion import StepStatus


@dataclass(frozen=True)
class _Progress:
    """How far the step that asks has got: answers that it was given, its status, message and output."""

    step: int
    deliveries: int
    status: StepStatus
    message: str
    output: dict[str, Any]

    @property
    def responses(self) -> int:
        """How many answers of a wait-for-approval count."""
        return len(self.output.get("responses") or ())


def settle_step(api: AirflowApi, request: OpenRequest, reply: Reply, world: World) -> str:
    """Answer a step's request, see that the step took the answer, and return what it says now.

    Raises RefusedError where the answer does not count, its values do not fit, or it was lost or not taken in time.
    """
    before = _progress(api, request, step=None)
    for number in range(MOST_ANSWERS):
        if number:
            world.warn(
                f"airfreight: the promotion of {request.name} was just looking and lost the answer; answering again"
            )
            world.sleep(PARKING_SECONDS)
        send(api, request, reply)
        after = _await_delivery(api, request, before, world)
        if after is not None:
            _check_taken(request, reply, before, after)
            return after.message
    raise RefusedError(
        f"the promotion of {request.name} lost {MOST_ANSWERS} answers and asks again; "
        f"see the log of {request.info.task_instance.task_id}"
    )


def _progress(api: AirflowApi, request: OpenRequest, step: int | None) -> _Progress:
    """Return how far `step` has got; None means the one that asks now."""
    with reading(f"Stage {request.stage.name}"):
        record = stage_register(api, request.stage).promotion_of(request.run_id)
        if record is None:
            raise RefusedError(f"the promotion of {request.name} is not in the register any more")
        status = record.status
        step = status.current_step if step is None else step
        execution = status.executions[step]
        return _Progress(
            step,
            execution.deliveries,
            execution.status,
            execution.message,
            dict(status.state.get(execution.alias) or {}),
        )


def _await_delivery(
    api: AirflowApi, request: OpenRequest, before: _Progress, world: World
) -> _Progress | None:
    """Return how far the step is once it took the answer, or None where it lost that and asks anew."""
    for look in looks(world):
        task = api.task(request.info.task_instance)
        asks = task.state == "awaiting_input"
        response = present_response(api, task) if asks else None
        after = _progress(api, request, before.step)
        if after.deliveries > before.deliveries or after.status is not StepStatus.RUNNING:
            return after
        if task.state in ENDED_TASK:
            raise RefusedError(
                f"the promotion of {request.name} ended as {task.state}: {why(api, task)}"
            )
        if response is not None and not response.response_received:
            return None
        if look >= MOST_LOOKS:
            break
    raise RefusedError(
        f"Airflow has the answer to {request.name}, but its promotion has not taken it yet; it may still: "
        "see `airfreight respond --list`"
    )


def _check_taken(request: OpenRequest, reply: Reply, before: _Progress, after: _Progress) -> None:
    if after.status is StepStatus.ABORTED:
        raise RefusedError(f"the promotion of {request.name} has ended: {after.message}")
    if after.status is not StepStatus.RUNNING:
        return
    if reply.option is Option.SUBMIT or after.responses == before.responses:
        raise RefusedError(f"the answer to {request.name} does not count: {after.message}")
