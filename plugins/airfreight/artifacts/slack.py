"""One call of Slack's Web API: chat.postMessage."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from airfreight.artifacts.guarded_http import send_following
from airfreight.artifacts.retry_after import retry_seconds
from airfreight.artifacts.unpacking import read_whole
from airfreight.errors import ArtifactError, AuthenticationError, TransientError

SLACK = "https://slack.com/api"

_MOST_BYTES = 2**20

_TRANSIENT = (
    "fatal_error",
    "internal_error",
    "message_limit_exceeded",
    "rate_limited",
    "ratelimited",
    "request_timeout",
    "service_unavailable",
)
_LOGIN = (
    "account_inactive",
    "invalid_auth",
    "missing_scope",
    "not_authed",
    "token_expired",
    "token_revoked",
)


def post_message(
    http: Callable[[], httpx.Client], token: str, message: Mapping[str, Any], api: str = SLACK
) -> str:
    """Post and return the message's timestamp, by which a thread is named; raises ArtifactError.

    Slack answers 200 whatever happens and says in the body what did, but for its limits.
    """
    # As bytes: httpx takes no text beyond ASCII, and a password may be any.
    headers = {b"Authorization": f"Bearer {token}".encode(), b"Accept-Encoding": b"gzip"}
    try:
        with http() as client:
            url = f"{api}/chat.postMessage"
            request = client.build_request("POST", url, json=dict(message), headers=headers)
            response = send_following(client, request)
            content = read_whole(response, _MOST_BYTES)
    except httpx.HTTPError as error:
        raise TransientError(f"Slack did not answer: {type(error).__name__}") from None
    if response.status_code == 429 or response.status_code >= 500:
        wait = retry_seconds(response.headers.get("retry-after", ""), datetime.now(UTC))
        raise TransientError(f"Slack answered HTTP {response.status_code}", wait)
    return _timestamp(response.status_code, content)


def _timestamp(status: int, content: bytes) -> str:
    try:
        answer = json.loads(content)
        if answer["ok"]:
            return str(answer["ts"])
        reason = str(answer["error"])
    except (ValueError, TypeError, LookupError, RecursionError):
        raise ArtifactError(f"Slack answered HTTP {status} with no JSON of its form") from None
    said = f"Slack refused the message: {reason}"
    if reason in _TRANSIENT:
        raise TransientError(said)
    if reason in _LOGIN:
        raise AuthenticationError(f"{said}; check the token in the channel's Connection")
    raise ArtifactError(f"{said}; see chat.postMessage in Slack's documentation")
