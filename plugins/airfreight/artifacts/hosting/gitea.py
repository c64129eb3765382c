"""Gitea's REST API v1, which Forgejo has too; always self-hosted, perhaps below a path."""

from __future__ import annotations

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
from airfreight.model.credential import Credential


class Gitea:
    """One repository on a Gitea."""

    name = "gitea"
    merge_methods = (
        "merge",
        "rebase",
        "rebase-merge",
        "squash",
        "fast-forward-only",
        "manually-merged",
    )
    has_labels = True

    def __init__(self, web_address: str) -> None:
        parts = urlsplit(web_address)
        *above, owner, name = ("", *parts.path.strip("/").split("/"))
        owner, name = owner_and_name(web_address, f"{owner}/{name}")
        prefix = "".join(f"/{part}" for part in above if part)
        self.base_url = f"{parts.scheme}://{parts.netloc}{prefix}/api/v1"
        self._repository = f"/repos/{segment(owner)}/{segment(name)}"

    def headers(self, login: Credential | None) -> dict[str, str]:
        """Return the password as Gitea's access token."""
        return {"Authorization": f"token {login.password}"} if login else {}

    def find(self, source: str, target: str) -> Exchange[list[PullRequest]]:
        """Return those between the branches among the 1,000 latest changed: Gitea cannot filter by source."""
        query = (("state", "all"), ("sort", "recentupdate"), ("limit", "50"))
        call = Call("GET", f"{self._repository}/pulls", query)
        found = yield from pages(call, list, has_next_link)
        read = [read_pull_request(item) for item in found]
        return [pr for pr in read if (pr.source, pr.target) == (source, target)]

    def get(self, number: int) -> Exchange[PullRequest]:
        answer = yield Call("GET", self._place(number))
        return read_pull_request(answer.body)

    def create(self, new: NewPullRequest) -> Exchange[PullRequest | None]:
        body = {
            "title": new.title,
            "body": new.description,
            "head": new.source,
            "base": new.target,
        }
        place = f"{self._repository}/pulls"
        answer = yield Call("POST", place, body=body, reads=frozenset([409]))
        return None if answer.status == 409 else read_pull_request(answer.body)

    def label(self, pull_request: PullRequest, labels: tuple[str, ...]) -> Exchange[None]:
        """Add labels by name, which Gitea takes since 1.22."""
        place = f"{self._repository}/issues/{pull_request.number}/labels"
        yield Call("POST", place, body={"labels": list(labels)})

    def merge(self, pull_request: PullRequest, method: str | None) -> Exchange[MergeOutcome]:
        place = self._place(pull_request.number)
        yield Call("POST", f"{place}/merge", body={"Do": method or "merge"})
        merged = yield Call("GET", place)
        return MergeOutcome(read_pull_request(merged.body))

    def _place(self, number: int) -> str:
        return f"{self._repository}/pulls/{number}"


def read_pull_request(data: Mapping[str, Any]) -> PullRequest:
    """Read a pull request; a branch that is gone has the name of a hidden ref, and so fits no branch."""
    merged = bool(data.get("merged"))
    draft = bool(data.get("draft"))
    ready = bool(data.get("mergeable")) and not draft
    return PullRequest(
        number=int(data["number"]),
        url=str(data.get("html_url") or data["url"]),
        state="merged" if merged else "open" if data["state"] == "open" else "closed",
        source=str(data["head"]["ref"]),
        target=str(data["base"]["ref"]),
        head=str(data["head"]["sha"]),
        merge_commit=str(data.get("merge_commit_sha") or "") if merged else "",
        labels=frozenset(str(label["name"]) for label in data.get("labels") or ()),
        readiness=Readiness.READY if ready else Readiness.WAITING,
        obstacle="it is a draft" if draft else "gitea does not find it mergeable",
    )
