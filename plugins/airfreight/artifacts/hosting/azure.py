"""Azure DevOps Services' REST API 7.1: dev.azure.com and the older ``*.visualstudio.com``."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit

from airfreight.artifacts.hosting.protocol import (
    MOST_PAGES,
    Call,
    Exchange,
    MergeOutcome,
    NewPullRequest,
    Pause,
    PullRequest,
    Readiness,
    segment,
)
from airfreight.errors import ArtifactError
from airfreight.model.credential import Credential

_VERSION = ("api-version", "7.1")
_PAGE = 100
_LOOKS = 10  # one a second: Azure completes in the background
_HEADS = "refs/heads/"
_STATES: dict[str, Literal["open", "merged", "closed"]] = {"active": "open", "completed": "merged"}


class Azure:
    """One repository on Azure DevOps."""

    name = "azure"
    merge_methods = ("noFastForward", "rebase", "rebaseMerge", "squash")
    has_labels = True

    def __init__(self, web_address: str) -> None:
        organization, project, name = _parts(web_address)
        self.base_url = f"https://dev.azure.com/{segment(organization)}"
        self._web = f"{self.base_url}/{segment(project)}/_git/{segment(name)}"
        repository = f"/{segment(project)}/_apis/git/repositories/{segment(name)}"
        self._place = f"{repository}/pullrequests"

    def headers(self, login: Credential | None) -> dict[str, str]:
        """Return the password as a personal access token: Basic, the user's name left empty."""
        if login is None:
            return {}
        pair = base64.b64encode(f":{login.password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}

    def find(self, source: str, target: str) -> Exchange[list[PullRequest]]:
        found: list[Any] = []
        for page in range(MOST_PAGES):
            query = (
                _VERSION,
                ("searchCriteria.status", "all"),
                ("searchCriteria.sourceRefName", _HEADS + source),
                ("searchCriteria.targetRefName", _HEADS + target),
                ("$top", str(_PAGE)),
                ("$skip", str(page * _PAGE)),
            )
            answer = yield Call("GET", self._place, query)
            found += answer.body["value"]
            if len(answer.body["value"]) < _PAGE:
                break
        return [self.read(item) for item in found]

    def get(self, number: int) -> Exchange[PullRequest]:
        answer = yield Call("GET", f"{self._place}/{number}", (_VERSION,))
        return self.read(answer.body)

    def create(self, new: NewPullRequest) -> Exchange[PullRequest | None]:
        body = {
            "title": new.title,
            "description": new.description,
            "sourceRefName": _HEADS + new.source,
            "targetRefName": _HEADS + new.target,
            "labels": [{"name": label} for label in new.labels],
        }
        reads = frozenset([409])
        answer = yield Call("POST", self._place, (_VERSION,), body=body, reads=reads)
        return None if answer.status == 409 else self.read(answer.body)

    def label(self, pull_request: PullRequest, labels: tuple[str, ...]) -> Exchange[None]:
        place = f"{self._place}/{pull_request.number}/labels"
        for label in labels:
            yield Call("POST", place, (_VERSION,), body={"name": label})

    def merge(self, pull_request: PullRequest, method: str | None) -> Exchange[MergeOutcome]:
        """Ask for the completion of the very commit that was looked at, and wait for it up to 10 seconds."""
        body: dict[str, Any] = {
            "status": "completed",
            "lastMergeSourceCommit": {"commitId": pull_request.head},
        }
        if method:
            body["completionOptions"] = {"mergeStrategy": method}
        place = f"{self._place}/{pull_request.number}"
        answer = yield Call("PATCH", place, (_VERSION,), body=body)
        for _ in range(_LOOKS):
            after = self.read(answer.body)
            if after.state == "merged":
                return MergeOutcome(after)
            yield Pause(1)
            answer = yield Call("GET", place, (_VERSION,))
        after = self.read(answer.body)
        if after.state == "merged":
            return MergeOutcome(after)
        return MergeOutcome(None, "azure took the merge on, but has not done it yet")

    def read(self, data: Mapping[str, Any]) -> PullRequest:
        """Read a pull request; `url` is the page, where the API gives its own address."""
        state = _STATES.get(str(data["status"]), "closed")
        status = str(data.get("mergeStatus") or "notSet")
        ready = status == "succeeded" and not data.get("isDraft")
        merge = (data.get("lastMergeCommit") or {}).get("commitId") or ""
        return PullRequest(
            number=int(data["pullRequestId"]),
            url=f"{self._web}/pullrequest/{int(data['pullRequestId'])}",
            state=state,
            source=str(data["sourceRefName"]).removeprefix(_HEADS),
            target=str(data["targetRefName"]).removeprefix(_HEADS),
            head=str((data.get("lastMergeSourceCommit") or {}).get("commitId") or ""),
            merge_commit=str(merge) if state == "merged" else "",
            labels=frozenset(str(label["name"]) for label in data.get("labels") or ()),
            readiness=Readiness.READY if ready else Readiness.WAITING,
            obstacle="it is a draft" if data.get("isDraft") else f"its mergeStatus is {status}",
        )


def _parts(web_address: str) -> tuple[str, str, str]:
    """Return organization, project and repository; a project's main repository may be named by the project alone."""
    parts = urlsplit(web_address)
    host = parts.hostname or ""
    path = [unquote(part) for part in parts.path.strip("/").split("/")]
    if host == "ssh.dev.azure.com" and len(path) == 4 and path[0] == "v3":
        return path[1], path[2], path[3]
    before, found, after = "/".join(path).partition("_git/")
    places = [part for part in before.split("/") if part and part != "DefaultCollection"]
    if host.endswith(".visualstudio.com"):
        places.insert(0, host.removesuffix(".visualstudio.com"))
    elif host != "dev.azure.com":
        places = []
    if not found or "/" in after or not after or len(places) not in (1, 2):
        raise ArtifactError(
            f"repository {quote(web_address, safe=':/%@')}: expected "
            "https://dev.azure.com/<organization>/<project>/_git/<repository>"
        )
    return places[0], places[-1] if len(places) == 2 else after, after
