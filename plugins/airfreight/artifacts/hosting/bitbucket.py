"""Bitbucket Cloud's REST API 2.0."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from airfreight.artifacts.hosting.protocol import (
    Answer,
    Call,
    Exchange,
    MergeOutcome,
    NewPullRequest,
    Pause,
    PullRequest,
    Readiness,
    owner_and_name,
    pages,
    segment,
)
from airfreight.errors import ArtifactError
from airfreight.model.credential import Credential

_STATES = ("OPEN", "MERGED", "DECLINED", "SUPERSEDED")
_LOOKS = 10  # one a second, for a merge that Bitbucket does in the background


class Bitbucket:
    """One repository on bitbucket.org; it has no labels, and nothing says whether a merge would work."""

    name = "bitbucket"
    merge_methods = (
        "merge_commit",
        "squash",
        "fast_forward",
        "squash_fast_forward",
        "rebase_fast_forward",
        "rebase_merge",
    )
    has_labels = False

    def __init__(self, web_address: str) -> None:
        parts = urlsplit(web_address)
        if parts.hostname != "bitbucket.org":
            raise ArtifactError(
                f"repository {web_address}: provider bitbucket is Bitbucket Cloud, which is at bitbucket.org;"
                " Bitbucket Data Center is not supported"
            )
        self.base_url = "https://api.bitbucket.org/2.0"
        owner, name = owner_and_name(web_address, parts.path)
        self._repository = f"/repositories/{segment(owner)}/{segment(name)}"

    def headers(self, login: Credential | None) -> dict[str, str]:
        """Return the password as an access token."""
        return {"Authorization": f"Bearer {login.password}"} if login else {}

    def find(self, source: str, target: str) -> Exchange[list[PullRequest]]:
        branches = (
            f"source.branch.name = {json.dumps(source)}"
            f" AND destination.branch.name = {json.dumps(target)}"
        )
        states = tuple(("state", state) for state in _STATES)
        query = (("q", branches), *states, ("pagelen", "50"))
        call = Call("GET", f"{self._repository}/pullrequests", query)
        found = yield from pages(call, lambda body: list(body["values"]), _has_next)
        return [read_pull_request(item) for item in found]

    def get(self, number: int) -> Exchange[PullRequest]:
        answer = yield Call("GET", self._place(number))
        return (yield from self._read(answer.body))

    def create(self, new: NewPullRequest) -> Exchange[PullRequest | None]:
        body = {
            "title": new.title,
            "description": new.description,
            "source": {"branch": {"name": new.source}},
            "destination": {"branch": {"name": new.target}},
        }
        place = f"{self._repository}/pullrequests"
        answer = yield Call("POST", place, body=body, reads=frozenset([409]))
        return None if answer.status == 409 else read_pull_request(answer.body)

    def label(self, _pull_request: PullRequest, _labels: tuple[str, ...], /) -> Exchange[None]:
        """Do nothing: Bitbucket's pull requests have no labels."""
        yield from ()

    def merge(self, pull_request: PullRequest, method: str | None) -> Exchange[MergeOutcome]:
        place = self._place(pull_request.number)
        yield from self._check_method(place, method)
        body = {"merge_strategy": method} if method else {}
        answer = yield Call("POST", f"{place}/merge", body=body)
        looks = 0
        while answer.status == 202 or answer.body.get("state") == "OPEN":
            if looks == _LOOKS:
                return MergeOutcome(None, "bitbucket took the merge on, but has not done it yet")
            yield Pause(1)
            answer = yield Call("GET", place)
            looks += 1
        merged = yield from self._read(answer.body)
        return MergeOutcome(merged)

    def _check_method(self, place: str, method: str | None) -> Exchange[None]:
        """Raise ArtifactError where the target branch does not offer `method`; a missing list offers all."""
        if method is None:
            return
        fields = (("fields", "destination.branch.merge_strategies"),)
        answer = yield Call("GET", place, fields)
        branch = (answer.body.get("destination") or {}).get("branch") or {}
        offered = branch.get("merge_strategies") or self.merge_methods
        if method not in offered:
            raise ArtifactError(
                f"mergeMethod {method!r} is not offered by the target branch: "
                f"expected one of {', '.join(map(str, offered))}"
            )

    def _read(self, data: Mapping[str, Any]) -> Exchange[PullRequest]:
        """Read one, and ask for the full SHA of its merge: Bitbucket shortens it."""
        short = (data.get("merge_commit") or {}).get("hash")
        if not short:
            return read_pull_request(data)
        answer = yield Call("GET", f"{self._repository}/commit/{segment(str(short))}")
        return read_pull_request(data, str(answer.body["hash"]))

    def _place(self, number: int) -> str:
        return f"{self._repository}/pullrequests/{number}"


def read_pull_request(data: Mapping[str, Any], merge_commit: str = "") -> PullRequest:
    """Read a pull request; `merge_commit` is the full SHA of its merge."""
    state = str(data["state"])
    source = data["source"]
    return PullRequest(
        number=int(data["id"]),
        url=str(data["links"]["html"]["href"]),
        state="open" if state == "OPEN" else "merged" if state == "MERGED" else "closed",
        source=str(source["branch"]["name"]),
        target=str(data["destination"]["branch"]["name"]),
        head=str((source.get("commit") or {}).get("hash") or ""),
        merge_commit=merge_commit,
        readiness=Readiness.WAITING if data.get("draft") else Readiness.READY,
        obstacle="it is a draft" if data.get("draft") else "",
    )


def _has_next(answer: Answer) -> bool:
    return bool(answer.body.get("next"))
