"""What a response is to the expressions of the step http: status, header(), headers and body."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import httpx
import yaml

from airfreight.artifacts.unpacking import body_of
from airfreight.errors import ArtifactError, ExpressionError, RetryableStepError
from airfreight.expr.functions import Function

MAX_BYTES = 2 * 1024 * 1024
_YAML_TYPES = frozenset(["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"])


def read_body(response: httpx.Response) -> bytes:
    """Read and close; raises RetryableStepError beyond 2 MiB, unpacked, and for what is packed by no single gzip."""
    content = bytearray()
    try:
        for chunk in body_of(response):
            content += chunk
            if len(content) > MAX_BYTES:
                raise RetryableStepError("the response is larger than 2 MiB")
    except ArtifactError as error:
        raise RetryableStepError(str(error)) from None
    finally:
        response.close()
    return bytes(content)


def response_env(response: httpx.Response, body: Any) -> dict[str, Any]:
    """Return `response` as expressions see it."""

    def header(name: Any) -> str:
        if not isinstance(name, str):
            raise ExpressionError("header() takes the name of a header")
        values = response.headers.get_list(name)
        return values[0] if values else ""

    headers: dict[str, list[str]] = {}
    for name, value in response.headers.multi_items():
        headers.setdefault(_canonical(name), []).append(value)
    return {
        "status": response.status_code,
        "header": Function("header", header, min_args=1, max_args=1),
        "headers": headers,
        "body": body,
    }


def _canonical(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))


def parse_body(response: httpx.Response, content: bytes, forced_type: str | None) -> Any:
    """Read the body by `forced_type`, else by the response's type; what is no known type is ``{}`` unless JSON.

    Raises RetryableStepError for a body that is not what its type says.
    """
    if not content:
        return {}
    header = str(response.headers.get("content-type", ""))
    media = forced_type or header.partition(";")[0].strip().lower()
    if media == "text/plain":
        return content.decode(errors="replace")
    try:
        if media in _YAML_TYPES:
            return _read_yaml(content)
        return json.loads(content, parse_constant=_no_json)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        if media == "application/json" or media in _YAML_TYPES:
            raise RetryableStepError(f"the response's body is no {media}") from error
        return {}


def _no_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


class _Loader(yaml.SafeLoader):
    """YAML of a stranger: dates stay strings, as in JSON, and aliases, which can grow without end, are refused."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not read")
        return super().compose_node(parent, index)


def _construct_date(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _construct_date)


def _read_yaml(content: bytes) -> Any:
    # A subclass of SafeLoader.
    return yaml.load(content, Loader=_Loader)  # noqa: S506
