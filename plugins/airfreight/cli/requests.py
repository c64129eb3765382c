"""Open requests, named ``<stage>/<run id>``."""

from __future__ import annotations

from dataclasses import dataclass

from airfreight.cli.api import AirflowApi, RequestInfo
from airfreight.cli.directory import Directory, Place
from airfreight.errors import NotFoundError, SettingsError


@dataclass(frozen=True)
class OpenRequest:
    """A request that waits for a person."""

    stage: Place
    info: RequestInfo

    @property
    def run_id(self) -> str:
        """The run whose gate asks."""
        return self.info.task_instance.dag_run_id

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"{self.stage.name}/{self.run_id}"


def open_requests(api: AirflowApi, directory: Directory) -> list[OpenRequest]:
    """Return the open requests of these Stages, oldest first."""
    found = []
    for info in api.requests():
        stage = directory.stage_of_gate(info.task_instance.dag_id, info.task_instance.task_id)
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
