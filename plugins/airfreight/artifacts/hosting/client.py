"""Plays exchanges over HTTP: time-outs, limits, logins, errors. No message holds a password."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from airfreight.artifacts.guarded_http import send_following
from airfreight.artifacts.hosting.protocol import Answer, Call, Exchange, HostingService, Pause
from airfreight.artifacts.retry_after import retry_seconds
from airfreight.artifacts.tls import unanswered
from airfreight.artifacts.unpacking import read_whole
from airfreight.errors import (
    ArtifactError,
    AuthenticationError,
    NotFoundError,
    RefusedError,
    SettingsError,
    TransientError,
)
from airfreight.model.credential import Credential

_MOST_BYTES = 10 * 1024 * 1024
_LONGEST_REASON = 400
_USUAL_WAIT = 60.0  # seconds; GitHub's advice where a limit names none
_LONGEST_WAIT = 3600.0

T = TypeVar("T")


@dataclass(frozen=True)
class HostingClient:
    """Talks to one service about one repository.

    `http` makes a client for one request. `credential` travels to the service's own origin only, and over plain http
    only where `allow_credentials_over_http`. `now` is the time in seconds since 1970.
    """

    service: HostingService
    http: Callable[[], httpx.Client]
    credential: Credential | None = None
    allow_credentials_over_http: bool = False
    sleep: Callable[[float], object] = time.sleep
    now: Callable[[], float] = time.time

    def run(self, exchange: Exchange[T]) -> T:
        """Play `exchange` to its end and return its result.

        Raises AuthenticationError, NotFoundError, TransientError (limits with `retry_after`, 5xx, no answer) or else
        ArtifactError; SettingsError where no setting opens the service's address.
        """
        answer: Answer | None = None
        try:
            while True:
                step = next(exchange) if answer is None else _send(exchange, answer)
                answer = self._perform_or_renew(step)
        except StopIteration as end:
            result: T = end.value
            return result

    def _perform_or_renew(self, step: Call | Pause) -> Answer:
        """Perform `step`; where the service refuses a token, once more with another."""
        try:
            return self._perform(step)
        except AuthenticationError:
            renewed = self.credential.renew() if self.credential and self.credential.renew else None
            if renewed is None:
                raise
        return replace(self, credential=renewed)._perform(step)

    def _perform(self, step: Call | Pause) -> Answer:
        if isinstance(step, Pause):
            self.sleep(step.seconds)
            return Answer()
        response, content = self._exchange(step)
        headers = {name.lower(): value for name, value in response.headers.items()}
        body, is_json = _parse(content)
        answer = Answer(response.status_code, body, headers)
        if response.is_success and response.status_code != 203:
            self._check_kind(step, response, is_json)
            return answer
        if response.status_code in step.reads and not self._limit(answer):
            return answer
        raise self._error(step, answer)

    def _exchange(self, call: Call) -> tuple[httpx.Response, bytes]:
        login = self._login
        named = {
            "User-Agent": "airfreight",
            "Accept-Encoding": "gzip",
            **self.service.headers(login),
        }
        # As bytes: httpx takes no text beyond ASCII, and a password may be any.
        headers = [(name.encode(), value.encode()) for name, value in named.items()]
        try:
            with self.http() as client:
                request = client.build_request(
                    call.method,
                    f"{self.service.base_url}{call.path}",
                    params=list(call.query) or None,
                    headers=headers,
                    json=call.body,
                )
                response = send_following(client, request)
                return response, read_whole(response, _MOST_BYTES)
        except RefusedError as error:
            raise SettingsError(str(error)) from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise ArtifactError(f"{self._where} has an address that cannot be asked") from None
        except httpx.HTTPError as error:
            raise unanswered(self._where, error) from None

    def _check_kind(self, call: Call, response: httpx.Response, is_json: bool) -> None:
        if response.request.method != call.method:
            raise ArtifactError(
                f"{self._where} redirects a {call.method} elsewhere: has the repository moved? Set repoURL anew"
            )
        if not is_json:
            raise ArtifactError(
                f"{self._where} answered with no JSON: is it the service that provider says, and is the login valid?"
            )

    def _error(self, call: Call, answer: Answer) -> ArtifactError:
        status = answer.status
        said = self._clean(answer.message)
        reason = f"HTTP {status} to {call.method} {call.path}" + (f": {said}" if said else "")
        wait = self._limit(answer)
        if wait is not None:
            return TransientError(f"{self._where} asks for a pause: {reason}", wait)
        if status in (203, 401, 403):
            return AuthenticationError(f"{self._where} refused {self._who}: {reason}")
        if status == httpx.codes.NOT_FOUND:
            return NotFoundError(
                f"{self._where} has no such thing, or hides it from {self._who}: {reason}"
            )
        if status >= 500 or status == httpx.codes.REQUEST_TIMEOUT:
            return TransientError(f"{self._where} has trouble: {reason}")
        return ArtifactError(f"{self._where} refused: {reason}")

    def _limit(self, answer: Answer) -> float | None:
        """Return how many seconds a limit asks to wait; None where the answer is of no limit.

        GitHub sends 403 for its limits: the primary with ``x-ratelimit-remaining: 0``, the secondary with a text.
        """
        headers = answer.headers
        asked = headers.get("retry-after", "")
        limited = answer.status == 429 or (answer.status == 503 and bool(asked))
        if answer.status == 403:
            spent = headers.get("x-ratelimit-remaining") == "0"
            limited = bool(asked) or spent or "rate limit" in answer.message.lower()
        if not limited:
            return None
        wait = _USUAL_WAIT
        reset = headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset") or ""
        told = retry_seconds(asked, datetime.fromtimestamp(self.now(), UTC))
        if told is not None:
            wait = told
        elif reset.isdecimal():
            wait = float(reset) - self.now()
        return min(max(wait, 1.0), _LONGEST_WAIT)

    @property
    def _login(self) -> Credential | None:
        if self.credential is None or not self.credential.password:
            return None
        secure = self.service.base_url.startswith("https://")
        return self.credential if secure or self.allow_credentials_over_http else None

    @property
    def _where(self) -> str:
        return f"{self.service.name} at {urlsplit(self.service.base_url).netloc}"

    @property
    def _who(self) -> str:
        if self.credential is None:
            return "a visit without login (no git credential of the project is for this repository)"
        if not self.credential.password:
            return "a visit without login (the git credential has no password, which would be the token)"
        if self._login is None:
            return (
                "a visit without login (none is sent over plain http; use https,"
                " or set allow_credentials_over_http)"
            )
        return f"the login of user {self.credential.username!r}"

    def _clean(self, text: str) -> str:
        printable = re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in text))
        clean = self.credential.mask(printable) if self.credential else printable
        return clean.strip()[:_LONGEST_REASON]


def _send(exchange: Exchange[T], answer: Answer) -> Call | Pause:
    """Go on with `answer`; what the service should not have sent is an ArtifactError, never a crash."""
    try:
        return exchange.send(answer)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise ArtifactError("the service's answer is not of the form that it documents") from None


def _parse(content: bytes) -> tuple[Any, bool]:
    """Return the JSON and whether it is some; an empty body counts as none and is right."""
    if not content.strip():
        return None, True
    try:
        body: Mapping[str, Any] | list[Any] = json.loads(content)
    except (ValueError, RecursionError):
        return None, False
    return body, True
