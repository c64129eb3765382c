"""GitLab's REST API v4, gitlab.com and self-managed: a pull request is a merge request there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from airfreight.artifacts.hosting.protocol import (
    Call,
    Exchange,
    MergeOutcome,
    NewPullRequest,
    PullRequest,
    Readiness,
    has_next_link,
    pages,
    segment,
)
from airfreight.errors import ArtifactError
from airfreight.model.credential import Credential

_STATES: dict[str, Literal["open", "merged", "closed"]] = {
    "opened": "open",
    "locked": "open",  # while GitLab merges it
    "merged": "merged",
}


class GitLab:
    """One project on GitLab."""

    name = "gitlab"
    merge_methods = ("merge", "squash")
    has_labels = True

    def __init__(self, web_address: str) -> None:
        parts = urlsplit(web_address)
        self.base_url = f"{parts.scheme}://{parts.netloc}/api/v4"
        project = parts.path.strip("/")
        if "/" not in project:
            raise ArtifactError(
                f"repository {web_address}: expected <group>/<project> behind the host"
            )
        self._place = f"/projects/{segment(project)}/merge_requests"

    def headers(self, login: Credential | None) -> dict[str, str]:
        """Return the password as a bearer token, which GitLab takes from OAuth and access tokens alike."""
        return {"Authorization": f"Bearer {login.password}"} if login else {}

    def find(self, source: str, target: str) -> Exchange[list[PullRequest]]:
        query = (
            ("state", "all"),
            ("source_branch", source),
            ("target_branch", target),
            ("per_page", "100"),
        )
        found = yield from pages(Call("GET", self._place, query), list, has_next_link)
        return [read_merge_request(item) for item in found]

    def get(self, number: int) -> Exchange[PullRequest]:
        answer = yield Call("GET", f"{self._place}/{number}")
        return read_merge_request(answer.body)

    def create(self, new: NewPullRequest) -> Exchange[PullRequest | None]:
        body = {
            "title": new.title,
            "description": new.description,
            "source_branch": new.source,
            "target_branch": new.target,
        }
        if new.labels:
            body["labels"] = ",".join(new.labels)
        answer = yield Call("POST", self._place, body=body, reads=frozenset([409]))
        return None if answer.status == 409 else read_merge_request(answer.body)

    def label(self, pull_request: PullRequest, labels: tuple[str, ...]) -> Exchange[None]:
        body = {"add_labels": ",".join(labels)}
        yield Call("PUT", f"{self._place}/{pull_request.number}", body=body)

    def merge(self, pull_request: PullRequest, method: str | None) -> Exchange[MergeOutcome]:
        body = {"squash": method == "squash"} if method else {}
        answer = yield Call("PUT", f"{self._place}/{pull_request.number}/merge", body=body)
        after = read_merge_request(answer.body)
        if after.state == "merged":
            return MergeOutcome(after)
        return MergeOutcome(None, "gitlab took the merge on, but has not done it yet")


def read_merge_request(data: Mapping[str, Any]) -> PullRequest:
    """Read a merge request; a fast-forward has no merge commit, so that its commit is the squashed one or the head."""
    state = _STATES.get(str(data["state"]), "closed")
    head = str(data.get("sha") or "")
    status = str(data.get("detailed_merge_status") or "not known yet")
    ready = status == "mergeable" and not data.get("draft")
    commit = data.get("merge_commit_sha") or data.get("squash_commit_sha") or head
    return PullRequest(
        number=int(data["iid"]),
        url=str(data["web_url"]),
        state=state,
        source=str(data["source_branch"]),
        target=str(data["target_branch"]),
        head=head,
        merge_commit=str(commit) if state == "merged" else "",
        labels=frozenset(str(label) for label in data.get("labels") or ()),
        readiness=Readiness.READY if ready else Readiness.WAITING,
        obstacle="it is a draft" if data.get("draft") else f"its detailed_merge_status is {status}",
    )
