"""GitHub's REST API, version 2022-11-28: github.com, data residency (``*.ghe.com``) and Enterprise Server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from airfreight.artifacts.hosting.protocol import (
    Call,
    Exchange,
    MergeOutcome,
    NewPullRequest,
    PullRequest,
    Readiness,
    has_next_link,
    owner_and_name,
    pages,
    segment,
)
from airfreight.errors import ArtifactError
from airfreight.model.credential import Credential

# `kargo.md` §2.4, "Provider matrix": what mergeable_state means for a merge.
_READINESS = {
    "clean": Readiness.READY,
    "unstable": Readiness.READY,
    "has_hooks": Readiness.READY,
    "dirty": Readiness.IMPOSSIBLE,
    "blocked": Readiness.BLOCKED,
    "behind": Readiness.BLOCKED,
    "draft": Readiness.WAITING,
    "unknown": Readiness.WAITING,
}
# A merge that cannot be done is HTTP 405, whatever the reason: only its text tells them apart.
_FORBIDDEN_METHOD = re.compile(r"\b(?:merge|squash|rebase)\b.*\bnot allowed\b", re.IGNORECASE)
_MAY_PASS = re.compile("Base branch was modified|Pull Request is not mergeable", re.IGNORECASE)
_DUPLICATE = "already exists"


class GitHub:
    """One repository on GitHub."""

    name = "github"
    merge_methods = ("merge", "squash", "rebase")
    has_labels = True

    def __init__(self, web_address: str) -> None:
        parts = urlsplit(web_address)
        self.base_url = _api(parts.scheme, parts.netloc)
        self._owner, name = owner_and_name(web_address, parts.path)
        self.repository = f"/repos/{segment(self._owner)}/{segment(name)}"

    def headers(self, login: Credential | None) -> dict[str, str]:
        """Return the headers of version 2022-11-28, with the password as a bearer token."""
        version = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        return version | ({"Authorization": f"Bearer {login.password}"} if login else {})

    def find(self, source: str, target: str) -> Exchange[list[PullRequest]]:
        query = (
            ("state", "all"),
            ("head", f"{self._owner}:{source}"),
            ("base", target),
            ("per_page", "100"),
        )
        found = yield from pages(
            Call("GET", f"{self.repository}/pulls", query), list, has_next_link
        )
        return [read_pull_request(item) for item in found]

    def get(self, number: int) -> Exchange[PullRequest]:
        answer = yield Call("GET", self._place(number))
        return read_pull_request(answer.body)

    def create(self, new: NewPullRequest) -> Exchange[PullRequest | None]:
        body = {
            "title": new.title,
            "body": new.description,
            "head": new.source,
            "base": new.target,
            "maintainer_can_modify": False,
        }
        answer = yield Call("POST", f"{self.repository}/pulls", body=body, reads=frozenset([422]))
        if answer.status == 422:
            if _DUPLICATE in answer.message:
                return None
            raise ArtifactError(f"github does not open the pull request: {answer.message}")
        return read_pull_request(answer.body)

    def label(self, pull_request: PullRequest, labels: tuple[str, ...]) -> Exchange[None]:
        place = f"{self.repository}/issues/{pull_request.number}/labels"
        yield Call("POST", place, body={"labels": list(labels)})

    def merge(self, pull_request: PullRequest, method: str | None) -> Exchange[MergeOutcome]:
        body = {"merge_method": method} if method else {}
        place = f"{self._place(pull_request.number)}/merge"
        answer = yield Call("PUT", place, body=body, reads=frozenset([405]))
        if answer.status == 405:
            return _refused(answer.message, pull_request)
        merged = yield Call("GET", self._place(pull_request.number))
        return MergeOutcome(read_pull_request(merged.body))

    def _place(self, number: int) -> str:
        return f"{self.repository}/pulls/{number}"


def read_pull_request(data: Mapping[str, Any]) -> PullRequest:
    """Read a pull request; `merge_commit_sha` of an open one is of a test merge and so left out."""
    merged = bool(data.get("merged_at"))
    readiness, obstacle = _readiness(data)
    return PullRequest(
        number=int(data["number"]),
        url=str(data["html_url"]),
        state="merged" if merged else "open" if data["state"] == "open" else "closed",
        source=str(data["head"]["ref"]),
        target=str(data["base"]["ref"]),
        head=str(data["head"]["sha"]),
        merge_commit=str(data.get("merge_commit_sha") or "") if merged else "",
        labels=frozenset(str(label["name"]) for label in data.get("labels") or ()),
        readiness=readiness,
        obstacle=obstacle,
    )


def _readiness(data: Mapping[str, Any]) -> tuple[Readiness, str]:
    state = str(data.get("mergeable_state") or "")
    known = _READINESS.get(state)
    if known is None:
        ready = data.get("mergeable") is True and not data.get("draft")
        known = Readiness.READY if ready else Readiness.WAITING
    draft = "it is a draft" if data.get("draft") else ""
    return known, draft or f"its mergeable_state is {state or 'not known yet'}"


def _refused(message: str, pull_request: PullRequest) -> MergeOutcome:
    """Tell by GitHub's words what may pass (`kargo.md` §2.4); raises ArtifactError for what does not."""
    lasting = _FORBIDDEN_METHOD.search(message) is not None
    passing = _MAY_PASS.search(message) or pull_request.readiness is Readiness.BLOCKED
    if lasting or not passing:
        raise ArtifactError(f"github refuses the merge: {message}")
    return MergeOutcome(None, f"github says: {message}")


def _api(scheme: str, authority: str) -> str:
    if authority.lower() == "github.com":
        return "https://api.github.com"
    if authority.lower().endswith(".ghe.com"):
        return f"{scheme}://api.{authority}"
    return f"{scheme}://{authority}/api/v3"
