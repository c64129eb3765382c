"""What all services share: calls and answers as data, and the one model of a pull request.

A service's operation is an *exchange*: a generator that yields what to send and gets the answers. It does no I/O, so
that a test plays the service with documented bodies; `client` plays it over HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import quote

from airfreight.errors import ArtifactError
from airfreight.model.credential import Credential

MOST_PAGES = 20

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """One request; `path` is escaped and goes below the service's `base_url`.

    `reads` are the statuses beside 2xx that the exchange wants to see as an answer; others become errors.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] | None = None
    reads: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Pause:
    """A wait, in seconds, before the exchange goes on."""

    seconds: float


@dataclass(frozen=True)
class Answer:
    """What came back: the JSON as Python has it (None where there is no body), header names in lower case."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """What the service says went wrong, in its own words; empty where it says nothing."""
        return _words(self.body)


Exchange = Generator[Call | Pause, Answer, T]


class Readiness(Enum):
    """Whether a merge makes sense now.

    BLOCKED: a policy forbids it, but perhaps not to this login. WAITING: not yet. IMPOSSIBLE: not without a new commit.
    """

    READY = "ready"
    BLOCKED = "blocked"
    WAITING = "waiting"
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True)
class PullRequest:
    """A pull request, whoever hosts it.

    `head` is the tip of the `source` branch, as long as the service gives it. `merge_commit` is empty until the merge.
    `obstacle` is the service's word for why `readiness` is not READY.
    """

    number: int
    url: str
    state: Literal["open", "merged", "closed"]
    source: str
    target: str
    head: str
    merge_commit: str = ""
    labels: frozenset[str] = frozenset()
    readiness: Readiness = Readiness.READY
    obstacle: str = ""

    def is_of(self, source: str, target: str, commit: str) -> bool:
        """Say whether it asks for this very merge; a service may shorten `head`."""
        same_commit = len(self.head) >= 7 and commit.startswith(self.head)
        return (self.source, self.target) == (source, target) and same_commit


@dataclass(frozen=True)
class NewPullRequest:
    """What to open."""

    source: str
    target: str
    title: str
    description: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class MergeOutcome:
    """How a try to merge ended: `pull_request` where it is merged, else the `obstacle` that may pass."""

    pull_request: PullRequest | None
    obstacle: str = ""


class HostingService(Protocol):
    """One repository on one service."""

    @property
    def name(self) -> str:
        """The service's name in `provider`."""
        ...

    @property
    def base_url(self) -> str:
        """Where its API begins, without a slash at the end."""
        ...

    @property
    def merge_methods(self) -> tuple[str, ...]:
        """What `mergeMethod` may be."""
        ...

    @property
    def has_labels(self) -> bool:
        """Whether its pull requests can have labels."""
        ...

    def headers(self, login: Credential | None) -> dict[str, str]:
        """Return what each request carries."""
        ...

    def find(self, source: str, target: str) -> Exchange[list[PullRequest]]:
        """Return the pull requests between the two branches, in any state."""
        ...

    def get(self, number: int) -> Exchange[PullRequest]:
        """Return one pull request."""
        ...

    def create(self, new: NewPullRequest) -> Exchange[PullRequest | None]:
        """Open one; None where one is open between the branches already."""
        ...

    def label(self, pull_request: PullRequest, labels: tuple[str, ...], /) -> Exchange[None]:
        """Add labels."""
        ...

    def merge(self, pull_request: PullRequest, method: str | None) -> Exchange[MergeOutcome]:
        """Merge an open one; raises ArtifactError where no later try can do better."""
        ...


def pages(
    call: Call, items: Callable[[Any], list[Any]], more: Callable[[Answer], bool]
) -> Exchange[list[Any]]:
    """Return the items of up to 20 pages, by the parameter `page`: no address that a service names is followed."""
    found: list[Any] = []
    for number in range(1, MOST_PAGES + 1):
        answer = yield replace(call, query=(*call.query, ("page", str(number))))
        found += items(answer.body)
        if not more(answer):
            break
    return found


def has_next_link(answer: Answer) -> bool:
    """Say whether the header Link names a next page."""
    return 'rel="next"' in answer.headers.get("link", "")


def segment(text: str) -> str:
    """Escape `text` to one segment of a path."""
    return quote(text, safe="")


def owner_and_name(web_address: str, path: str) -> tuple[str, str]:
    """Split ``owner/name``; raises ArtifactError for any other path."""
    parts = path.strip("/").split("/")
    if len(parts) != 2 or not all(parts):
        raise ArtifactError(f"repository {web_address}: expected <owner>/<name> behind the host")
    return parts[0], parts[1]


def _words(body: Any) -> str:
    """Collect the texts under the keys by which the services report an error."""
    if isinstance(body, str):
        return body
    if isinstance(body, list):
        return "; ".join(filter(None, map(_words, body)))
    if not isinstance(body, Mapping):
        return ""
    parts = (_words(body.get(key)) for key in ("message", "error", "error_description", "errors"))
    return "; ".join(dict.fromkeys(filter(None, parts)))
