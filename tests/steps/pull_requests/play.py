"""Plays a service's exchanges with the bodies that its documentation shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from airfreight.artifacts.hosting.protocol import (
    Answer,
    Call,
    Exchange,
    HostingService,
    Pause,
    PullRequest,
)
from airfreight.artifacts.hosting.services import service_of

BODIES = Path(__file__).parent / "bodies"
HEAD = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
MERGE = "e5bd3914e2e596debea16f433f57875b5b90bcd6"
REPOSITORIES = {
    "github": "https://github.com/octocat/Hello-World.git",
    "gitlab": "https://gitlab.com/my-group/my-project.git",
    "gitea": "https://gitea.example.com/shop/gitops.git",
    "bitbucket": "https://bitbucket.org/my-workspace/my-repository.git",
    "azure": "https://dev.azure.com/fabrikam/Fabrikam/_git/2016_10_31",
}
# Number, source and target branch of the pull request in the bodies.
NUMBERS = {"github": 1347, "gitlab": 14, "gitea": 7, "bitbucket": 108, "azure": 22}
BRANCHES = {
    "github": ("new-topic", "main"),
    "gitlab": ("test1", "main"),
    "gitea": ("stage/dev", "main"),
    "bitbucket": ("staging", "main"),
    "azure": ("npaulk/my_work", "new_feature"),
}

T = TypeVar("T")


def body(name: str, **changes: Any) -> Any:
    """Return a recorded body; `changes` replace keys of its top level."""
    recorded = json.loads((BODIES / f"{name}.json").read_text())
    return {**recorded, **changes} if changes else recorded


def service(name: str) -> HostingService:
    """Return the service for its example repository."""
    return service_of(REPOSITORIES[name])


def play(exchange: Exchange[T], *answers: Answer) -> tuple[T, list[Call | Pause]]:
    """Return the exchange's result and what it asked for; every answer must be used."""
    asked: list[Call | Pause] = []
    left = list(answers)
    try:
        step = next(exchange)
        while True:
            asked.append(step)
            step = exchange.send(Answer() if isinstance(step, Pause) else left.pop(0))
    except StopIteration as end:
        assert not left
        return end.value, asked


def get(name: str, state: str, /, **changes: Any) -> PullRequest:
    """Return the pull request of a recorded body; `changes` replace keys of it."""
    answers = [Answer(body=body(f"{name}/{state}", **changes))]
    if name == "bitbucket" and state == "merged":
        answers.append(Answer(body=body("bitbucket/commit")))
    return play(service(name).get(NUMBERS[name]), *answers)[0]
