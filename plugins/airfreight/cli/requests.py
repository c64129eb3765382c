"""Open requests, named ``<stage>/<run id>``, and answers to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from airfreight.cli.api import AirflowApi, RequestInfo, ResponseInfo, TaskInfo
from airfreight.cli.directory import Directory, Place
from airfreight.cli.runs import ENDED_TASK, looks, why
from airfreight.cli.world import World
from airfreight.errors import NotFoundError, RefusedError, SettingsError
from airfreight.model.naming import GATE, stage_task_id

MOST_ANSWERS = 4
# One a second.
MOST_LOOKS = 30
# A task loses what comes while it parks; by then it has parked.
PARKING_SECONDS = 3.0


class Option(StrEnum):
    """What a request may be answered; operators.gate and the steps spell these too."""

    APPROVE = "Approve"
    REJECT = "Reject"
    SUBMIT = "Submit"

    @property
    def ends_gate_as(self) -> str:
        """The state of a gate that took this answer."""
        return "success" if self is Option.APPROVE else "failed"


@dataclass(frozen=True)
class Reply:
    """What a person answers: an option, and what is filled in."""

    option: Option
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenRequest:
    """A request that waits for a person: of a Stage's gate, or of a step of its promotion."""

    stage: Place
    info: RequestInfo

    @property
    def run_id(self) -> str:
        """The run whose gate or promotion asks."""
        return self.info.task_instance.dag_run_id

    @property
    def is_gates(self) -> bool:
        """Whether the gate asks, and no step."""
        return self.info.task_instance.task_id == stage_task_id(self.stage.name, GATE)

    @property
    def usual_answer(self) -> str:
        """The command that most people will want."""
        answer = "--values '{…}'" if Option.SUBMIT in self.info.options else "--approve"
        return f"airfreight respond {self.name} {answer}"

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"{self.stage.name}/{self.run_id}"


def open_requests(api: AirflowApi, directory: Directory) -> list[OpenRequest]:
    """Return the open requests of these Stages, oldest first."""
    found = []
    for info in api.requests():
        stage = directory.stage_that_asks(info.task_instance.dag_id, info.task_instance.task_id)
        if stage is not None:
            found.append(OpenRequest(stage, info))
    return sorted(found, key=lambda request: (request.info.created_at, request.name))


def find_request(requests: list[OpenRequest], name: str) -> OpenRequest:
    """Return the request of this name, or whose run id begins as it says.

    Raises SettingsError where the name has no such form or several fit, NotFoundError where none does.
    """
    stage, slash, run = name.partition("/")
    if not (stage and slash and run):
        raise SettingsError(
            f"{name!r} names no request; give <stage>/<run id>, such as prod/{name}"
        )
    exact = [request for request in requests if request.name == name]
    found = exact or [request for request in requests if request.name.startswith(name)]
    if not found:
        raise NotFoundError(f"no request {name!r} is open; see `airfreight respond --list`")
    if len(found) > 1:
        fitting = ", ".join(f"{r.name} of project {r.stage.project}" for r in found)
        raise SettingsError(f"{name!r} could be {fitting}; give more of it, or --project")
    return found[0]


def settle(api: AirflowApi, request: OpenRequest, reply: Reply, world: World) -> None:
    """Answer a gate's request and see that it took the answer; answer again where the gate lost it and asks anew.

    Raises RefusedError where somebody else answered, where the gate ended otherwise, lost every answer or goes on
    looking for longer than 30 seconds.
    """
    for number in range(MOST_ANSWERS):
        if number:
            world.warn(
                f"airfreight: the gate of {request.name} was just looking and lost the answer; answering again"
            )
            world.sleep(PARKING_SECONDS)
        send(api, request, reply)
        ended = _await_end(api, request, world)
        if ended is not None:
            _check_end(api, request, reply.option, ended)
            return
    raise RefusedError(
        f"the gate of {request.name} lost {MOST_ANSWERS} answers and asks again; "
        f"see the log of {request.info.task_instance.task_id}"
    )


def send(api: AirflowApi, request: OpenRequest, reply: Reply) -> None:
    """Answer a request; raises RefusedError where it cannot be, or somebody has."""
    task = request.info.task_instance
    try:
        api.respond(task, reply.option, reply.fields)
    except RefusedError:
        other = present_response(api, task)
        if other is None or not other.response_received:
            raise
        raise RefusedError(f"{request.name} is answered already: {_told(other)}") from None


def _await_end(api: AirflowApi, request: OpenRequest, world: World) -> TaskInfo | None:
    """Return the gate as it ended, or None where it asks anew."""
    for look in looks(world):
        task = api.task(request.info.task_instance)
        if task.state in ENDED_TASK:
            return task
        if task.state == "awaiting_input":
            response = present_response(api, task)
            if response is not None and not response.response_received:
                return None
        if look >= MOST_LOOKS:
            break
    raise RefusedError(
        f"Airflow has the answer to {request.name}, but its gate has not taken it yet; it may still: "
        "see `airfreight respond --list`"
    )


def _check_end(api: AirflowApi, request: OpenRequest, option: Option, ended: TaskInfo) -> None:
    response = present_response(api, ended)
    if response is not None and response.chosen_options not in (None, (option.value,)):
        raise RefusedError(f"{request.name} was answered by somebody else: {_told(response)}")
    if ended.state != option.ends_gate_as:
        reason = f": {why(api, ended)}" if ended.state == "failed" else " without a decision"
        raise RefusedError(f"the gate of {request.name} ended as {ended.state}{reason}")


def present_response(api: AirflowApi, task: TaskInfo) -> ResponseInfo | None:
    """Return what the task's present request was answered; None while its next try has not asked yet."""
    try:
        return api.response(task)
    except NotFoundError:
        return None


def _told(response: ResponseInfo) -> str:
    user = response.responded_by_user
    return f"{', '.join(response.chosen_options or ())} by {(user.name or user.id) if user else 'somebody'}"
