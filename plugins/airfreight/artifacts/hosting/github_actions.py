"""GitHub's Actions API: starts a workflow, lists what was started, looks at one run.

A dispatch that GitHub answers without the run's id leaves the list of runs, and that says neither who asked for a run
nor with which inputs. So a workflow may declare the input `airfreight_id` and show it in its ``run-name``: the title of
a run then tells which step of which Promotion it is of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airfreight.artifacts.hosting.github import GitHub
from airfreight.artifacts.hosting.protocol import Call, Exchange, segment
from airfreight.errors import ArtifactError

CORRELATION_INPUT = "airfreight_id"

_EVENT = "workflow_dispatch"
_RUN_DETAILS = "return_run_details"


@dataclass(frozen=True)
class Dispatch:
    """What to start: the file of the workflow, a branch or tag, the inputs, and the mark that no other start has."""

    workflow: str
    ref: str
    inputs: Mapping[str, str]
    mark: str

    @property
    def short_ref(self) -> str:
        """The branch's or tag's name, as GitHub lists runs by it."""
        return self.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


@dataclass(frozen=True)
class WorkflowRun:
    """A run; `number` counts those of one workflow. `conclusion` is empty until `status` is ``completed``."""

    id: int
    number: int
    title: str
    ref: str
    event: str
    status: str
    conclusion: str
    url: str

    def shows(self, mark: str) -> bool:
        """Say whether the title has the mark as a word of its own: one mark may begin another."""
        return mark in re.split(r"[\s,;()\[\]{}\"'`]+", self.title)


def dispatch(github: GitHub, new: Dispatch) -> Exchange[int | None]:
    """Start the workflow; return the run's id, or None where this GitHub does not say it.

    What GitHub may refuse, the mark and the wish for the id, is left out of another try: a refused one starts nothing.
    """
    details, marked = True, True
    while True:
        answer = yield Call(
            "POST",
            f"{_place(github, new.workflow)}/dispatches",
            body=_body(new, details=details, marked=marked),
            reads=frozenset([422]),
        )
        if answer.status != 422:
            said = answer.body if isinstance(answer.body, Mapping) else {}
            return int(said["workflow_run_id"]) if "workflow_run_id" in said else None
        if details and _RUN_DETAILS in answer.message:
            details = False
        elif marked:
            marked = False
        else:
            raise ArtifactError(
                f"github does not start {new.workflow} at {new.ref}: {answer.message}"
            )


def dispatched_runs(github: GitHub, new: Dispatch) -> Exchange[list[WorkflowRun]]:
    """Return the newest runs of this workflow and ref that somebody dispatched."""
    query = (
        ("event", _EVENT),
        ("branch", new.short_ref),
        ("exclude_pull_requests", "true"),
        ("per_page", "50"),
    )
    answer = yield Call("GET", f"{_place(github, new.workflow)}/runs", query)
    runs = [_read(item) for item in answer.body["workflow_runs"]]
    return [run for run in runs if (run.event, run.ref) == (_EVENT, new.short_ref)]


def get_run(github: GitHub, run_id: int) -> Exchange[WorkflowRun]:
    """Return one run."""
    answer = yield Call(
        "GET",
        f"{github.repository}/actions/runs/{run_id}",
        (("exclude_pull_requests", "true"),),
    )
    return _read(answer.body)


def possible_runs(runs: Iterable[WorkflowRun], mark: str, after: int) -> list[WorkflowRun]:
    """Return those that show the mark, and where none does, those with a number beyond `after`."""
    known = list(runs)
    own = [run for run in known if run.shows(mark)]
    return own or [run for run in known if run.number > after]


def _body(new: Dispatch, *, details: bool, marked: bool) -> dict[str, Any]:
    mark = {CORRELATION_INPUT: new.mark} if marked else {}
    return {
        "ref": new.ref,
        "inputs": {**new.inputs, **mark},
        **({_RUN_DETAILS: True} if details else {}),
    }


def _place(github: GitHub, workflow: str) -> str:
    return f"{github.repository}/actions/workflows/{segment(workflow)}"


def _read(data: Mapping[str, Any]) -> WorkflowRun:
    return WorkflowRun(
        id=int(data["id"]),
        number=int(data["run_number"]),
        title=str(data.get("display_title") or ""),
        ref=str(data.get("head_branch") or ""),
        event=str(data["event"]),
        status=str(data["status"]),
        conclusion=str(data.get("conclusion") or ""),
        url=str(data["html_url"]),
    )
