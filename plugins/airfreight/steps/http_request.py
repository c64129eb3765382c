"""What the steps that send a request share: its headers and parameters in a config, and what its faults mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import httpx
from pydantic import Field, field_validator

from airfreight.errors import RefusedError, RetryableStepError, TerminalStepError
from airfreight.steps.base import StepConfig

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class HttpHeader(StepConfig):
    """One header of the request."""

    name: str
    value: str

    @field_validator("name")
    @classmethod
    def _is_a_token(cls, name: str) -> str:
        if not _TOKEN.fullmatch(name):
            raise ValueError("expected a header name: letters, digits and '-'")
        return name

    @field_validator("value")
    @classmethod
    def _is_one_line(cls, value: str) -> str:
        if re.search(r"[\r\n\0]", value):
            raise ValueError("a header value must be one line")
        return value


class HttpQueryParam(StepConfig):
    """One parameter that is added to the URL's query."""

    name: str = Field(min_length=1)
    value: str


def http_url(url: str) -> str:
    """Return `url`; raises ValueError where it is none of http or https."""
    if not re.match(r"https?://[^/?#]", url, re.IGNORECASE):
        raise ValueError("expected a URL that begins with http:// or https://")
    return url


def with_params(url: str, params: Iterable[HttpQueryParam]) -> httpx.URL:
    """Return `url` with `params` added to its query; raises httpx.InvalidURL."""
    whole = httpx.URL(url)
    for param in params:
        whole = whole.copy_add_param(param.name, param.value)
    return whole


def header_bytes(headers: Iterable[HttpHeader]) -> list[tuple[bytes, bytes]]:
    """Return the headers as bytes; a packed answer is not asked for, since it hides its size."""
    given = [(header.name.encode(), header.value.encode()) for header in headers]
    if any(name.lower() == b"accept-encoding" for name, _ in given):
        return given
    return [(b"Accept-Encoding", b"identity"), *given]


@contextmanager
def request_faults(method: str, url: str) -> Iterator[None]:
    """Raise what goes wrong with a request as a step's errors; they name the host of `url` and nothing else of it."""
    try:
        yield
    except RefusedError as error:
        raise TerminalStepError(str(error)) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise TerminalStepError("url: not a URL that can be asked") from error
    except httpx.HTTPError as error:
        # httpx's own text may hold the URL, and the URL a login.
        raise RetryableStepError(
            f"{method} request to {httpx.URL(url).host} failed: {type(error).__name__}"
        ) from error
