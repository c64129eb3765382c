"""Airflow's REST API as typed functions; whatever goes wrong becomes one clear line.

AuthenticationError: the login was refused. TransientError: no Airflow answered. NotFoundError: 404. RefusedError: all
else that Airflow refuses. No message holds a password or a token.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from airfreight.errors import (
    AirfreightError,
    AuthenticationError,
    NotFoundError,
    RefusedError,
    TransientError,
)

_PAGE = 100
_LONGEST_DETAIL = 500


class Answer(BaseModel):
    """A part of an answer; fields that we do not read are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class TaskReference(Answer):
    """A task that has an asset as its inlet."""

    dag_id: str
    task_id: str


class AssetInfo(Answer):
    """An asset; `id` is the key of its state store."""

    id: int
    uri: str
    consuming_tasks: tuple[TaskReference, ...] = ()


class DagInfo(Answer):
    """A DAG."""

    dag_id: str
    is_paused: bool


class RunInfo(Answer):
    """A DAG run."""

    dag_id: str
    dag_run_id: str
    state: str


class TaskInfo(Answer):
    """A task of a run; `state` None: not scheduled yet."""

    dag_id: str
    dag_run_id: str
    task_id: str
    state: str | None
    try_number: int = 0


class UserInfo(Answer):
    """Who answered."""

    id: str
    name: str = ""


class RequestInfo(Answer):
    """An open request of a gate or of a step; `params` are the fields of its form; `created_at` is aware."""

    subject: str
    created_at: datetime
    task_instance: TaskInfo
    options: tuple[str, ...] = ()
    params: dict[str, Any] = Field(default_factory=dict)


class ResponseInfo(Answer):
    """What a task's present request was answered; `chosen_options` None: nothing yet."""

    response_received: bool
    chosen_options: tuple[str, ...] | None = None
    responded_by_user: UserInfo | None = None


class _StateEntry(Answer):
    key: str
    value: Any


class _ErrorDetail(Answer):
    exc_value: str = ""


class _LogLine(Answer):
    event: str = ""
    error_detail: tuple[_ErrorDetail, ...] | None = None


class _Log(Answer):
    content: tuple[_LogLine | str, ...] = ()


class _Token(Answer):
    access_token: str = Field(min_length=1)


AnswerT = TypeVar("AnswerT", bound=Answer)


class AirflowApi:
    """Calls Airflow.

    :param client: its base URL is where Airflow is, without ``/api/v2``.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def log_in(self, username: str, password: str) -> None:
        """Get a token for all further calls."""
        body = {"username": username, "password": password}
        answer = self._call("POST", "/auth/token", body=body)
        self.use_token(_read(_Token, answer, "/auth/token").access_token)

    def use_token(self, token: str) -> None:
        """Send this token with all further calls."""
        if not re.fullmatch(r"[!-~]+", token):
            raise AuthenticationError("AIRFREIGHT_TOKEN is no token: it is not ASCII in one word")
        self._client.headers["Authorization"] = f"Bearer {token}"

    def assets(self) -> list[AssetInfo]:
        """Return every asset of Airfreight's."""
        return self._list(AssetInfo, ("assets",), "assets", {"uri_pattern": "airfreight://"})

    def state(self, asset_id: int) -> dict[str, Any]:
        """Return everything in an asset's state store."""
        path = ("assets", str(asset_id), "state-store")
        return {e.key: e.value for e in self._list(_StateEntry, path, "asset_state_store", {})}

    def stored(self, asset_id: int, key: str) -> Any:
        """Return the value of one key in an asset's state store, or None where there is none."""
        try:
            return self._get(_StateEntry, ("assets", str(asset_id), "state-store", key)).value
        except NotFoundError:
            return None

    def dag(self, dag_id: str) -> DagInfo:
        """Return a DAG."""
        return self._get(DagInfo, ("dags", dag_id))

    def trigger(self, dag_id: str, run_id: str | None, conf: Mapping[str, Any]) -> RunInfo:
        """Make a run; Airflow chooses the id where `run_id` is None."""
        path = _path("dags", dag_id, "dagRuns")
        body: dict[str, Any] = {"logical_date": None, "conf": dict(conf)}
        if run_id is not None:
            body["dag_run_id"] = run_id
        return _read(RunInfo, self._call("POST", path, body=body), path)

    def run(self, dag_id: str, run_id: str) -> RunInfo:
        """Return a run."""
        return self._get(RunInfo, ("dags", dag_id, "dagRuns", run_id))

    def tasks(self, dag_id: str, run_id: str, states: Iterable[str] = ()) -> list[TaskInfo]:
        """Return the tasks of a run, or of all runs where `run_id` is ``~``; only those in `states`, if any."""
        path = ("dags", dag_id, "dagRuns", run_id, "taskInstances")
        return self._list(TaskInfo, path, "task_instances", {"state": list(states)})

    def task(self, task: TaskInfo) -> TaskInfo:
        """Return a task as it is now."""
        return self._get(TaskInfo, _parts(task))

    def cause(self, task: TaskInfo) -> str:
        """Return the message of the exception that ended a task, out of its log; empty where it holds none."""
        log = self._get(_Log, (*_parts(task), "logs", str(task.try_number)))
        lines = [line for line in log.content if isinstance(line, _LogLine)]
        causes = [d.exc_value for line in lines for d in line.error_detail or () if d.exc_value]
        return causes[-1] if causes else ""

    def requests(self) -> list[RequestInfo]:
        """Return every request that nobody has answered and whose task still goes on."""
        # A request's task is awake for a moment at each of its looks.
        states = ["awaiting_input", "scheduled", "queued", "running", "up_for_retry"]
        path = ("dags", "~", "dagRuns", "~", "hitlDetails")
        query = {"response_received": "false", "state": states}
        return self._list(RequestInfo, path, "hitl_details", query)

    def respond(self, task: TaskInfo, option: str, fields: Mapping[str, Any]) -> None:
        """Answer a request."""
        body = {"chosen_options": [option], "params_input": dict(fields)}
        self._call("PATCH", _path(*_parts(task), "-1", "hitlDetails"), body=body)

    def response(self, task: TaskInfo) -> ResponseInfo:
        """Return what a task's present request was answered; raises NotFoundError where it has none."""
        return self._get(ResponseInfo, (*_parts(task), "-1", "hitlDetails"))

    def mark_failed(self, task: TaskInfo) -> None:
        """Mark a task as failed, as a person may in Airflow's UI."""
        self._call("PATCH", _path(*_parts(task)), body={"new_state": "failed"})

    def _get(self, kind: type[AnswerT], parts: tuple[str, ...]) -> AnswerT:
        path = _path(*parts)
        return _read(kind, self._call("GET", path), path)

    def _list(
        self, kind: type[AnswerT], parts: tuple[str, ...], field: str, query: Mapping[str, Any]
    ) -> list[AnswerT]:
        path = _path(*parts)
        return [_read(kind, row, path) for row in self._pages(path, field, query)]

    def _pages(self, path: str, field: str, query: Mapping[str, Any]) -> Iterator[Any]:
        offset = 0
        while True:
            page = self._call("GET", path, query={**query, "limit": _PAGE, "offset": offset})
            rows = page.get(field) if isinstance(page, dict) else None
            if not isinstance(rows, list):
                raise _strange(path)
            yield from rows
            offset += len(rows)
            # The server may give smaller pages than we ask for.
            total = page.get("total_entries")
            if not rows or not isinstance(total, int) or offset >= total:
                return

    def _call(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Any = None
    ) -> Any:
        where = self._client.base_url
        try:
            answer = self._client.request(method, path, params=query, json=body)
        except httpx.TimeoutException:
            raise TransientError(f"Airflow at {where} did not answer in time") from None
        except httpx.HTTPError as error:
            raise TransientError(
                f"Airflow at {where} is not reachable: {error or type(error).__name__}; "
                "set AIRFREIGHT_API_URL or --api-url"
            ) from None
        except (httpx.InvalidURL, UnicodeError):
            raise RefusedError(f"cannot ask Airflow for {path!r}") from None
        if not answer.is_success:
            raise _error_of(answer, path)
        return _json_of(answer, path)


def _parts(task: TaskInfo) -> tuple[str, ...]:
    return "dags", task.dag_id, "dagRuns", task.dag_run_id, "taskInstances", task.task_id


def _path(*parts: str) -> str:
    # A client takes "." and ".." out of a path, and an empty part makes another path.
    if not all(part.strip(".") for part in parts):
        raise RefusedError(f"cannot ask Airflow for {'/'.join(parts)!r}")
    return "/api/v2/" + "/".join(quote(part, safe="~") for part in parts)


def _strange(path: str) -> TransientError:
    return TransientError(f"the answer to {path} is not what Airflow 3.3 gives; is this Airflow?")


def _read(kind: type[AnswerT], value: Any, path: str) -> AnswerT:
    try:
        return kind.model_validate(value)
    except ValidationError:
        raise _strange(path) from None


def _json_of(answer: httpx.Response, path: str) -> Any:
    try:
        return answer.json()
    except (ValueError, RecursionError):
        raise _strange(path) from None


def _detail_of(answer: httpx.Response) -> str:
    try:
        detail = answer.json()["detail"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return ""
    if isinstance(detail, dict):
        detail = detail.get("reason") or detail.get("message") or detail
    return str(detail)[:_LONGEST_DETAIL]


def _error_of(answer: httpx.Response, path: str) -> AirfreightError:
    status, detail = answer.status_code, _detail_of(answer)
    if status == httpx.codes.UNAUTHORIZED:
        return AuthenticationError(
            "Airflow refused the login; see AIRFREIGHT_USERNAME, AIRFREIGHT_PASSWORD, AIRFREIGHT_TOKEN"
        )
    if status == httpx.codes.FORBIDDEN:
        return RefusedError(f"you may not do this: {detail or 'Airflow forbids it'}")
    if status == httpx.codes.NOT_FOUND:
        return NotFoundError(f"not found: {detail or path}")
    if answer.is_redirect or answer.is_server_error:
        return TransientError(f"Airflow answered {status} to {path}. {detail}".rstrip(". "))
    return RefusedError(detail or f"Airflow answered {status} to {path}")
