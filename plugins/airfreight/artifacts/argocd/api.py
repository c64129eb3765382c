"""JSON over HTTP, with answers and failures in our words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from airfreight.artifacts.unpacking import read_whole
from airfreight.errors import ArtifactError, AuthenticationError, NotFoundError, TransientError
from airfreight.model.masking import mask

_LONGEST_MESSAGE = 300
_MOST_BYTES = 2**25  # a list of some hundred Applications; Kubernetes takes none above 1.5 MB


@dataclass(frozen=True)
class Api:
    """A server that was logged in to.

    `client` has the base URL, the login and the time-out. `server` is how messages call it; `secret` is what they
    never show, even where the server repeats it.
    """

    client: httpx.Client
    server: str
    secret: str = ""

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """Return the answer's JSON object.

        Raises NotFoundError, AuthenticationError for a login that is unknown or may not, TransientError for what
        another try may mend, else ArtifactError.
        """
        try:
            request = self.client.build_request(
                method,
                path,
                params=params,
                content=None if body is None else json.dumps(body),
                headers={
                    "Accept": "application/json",
                    "Accept-Encoding": "gzip",
                    "Content-Type": content_type,
                },
            )
            response = self.client.send(request, stream=True)
            content = self._content(response, method)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # httpx's own text may hold the URL, and a Connection's URL a login.
            text = f"{method} request to {self.server} failed: {type(error).__name__}"
            raise TransientError(text) from None
        document = _json(content)
        if not response.is_success:
            raise self._failure(response.status_code, document or {}, method)
        if document is None:
            raise ArtifactError(f"{self.server} answered {method} with what is no JSON object")
        return document

    def _content(self, response: httpx.Response, method: str) -> bytes:
        """Return the body, or nothing of a failure whose text is not fit to be shown."""
        try:
            return read_whole(response, _MOST_BYTES)
        except ArtifactError as error:
            if not response.is_success:
                return b""
            text = f"{self.server} answered {method} with what is not read: {error}"
            raise error.reworded(text) from None

    def _failure(self, status: int, document: Mapping[str, Any], method: str) -> ArtifactError:
        text = f"{self.server} answered {method} with {status}"
        said = document.get("message") or document.get("error")
        if isinstance(said, str):
            hidden = mask(said, (self.secret,))
            text = f"{text}: {hidden[:_LONGEST_MESSAGE]}"
        if status == 404:
            return NotFoundError(text)
        if status in (401, 403):
            return AuthenticationError(text)
        if status in (408, 409, 429) or status >= 500:
            return TransientError(text)
        return ArtifactError(text)


def _json(content: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
