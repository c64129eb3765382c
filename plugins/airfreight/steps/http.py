"""The step http: asks a server, judges the answer by expressions, polls until it is good or bad."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from airfreight.artifacts.guarded_http import send_following
from airfreight.artifacts.retry_after import retry_seconds
from airfreight.errors import ExpressionError, RetryableStepError, TerminalStepError
from airfreight.expr.gotext import plain_json
from airfreight.expr.limits import Limits, Meter
from airfreight.expr.program import compile_expression
from airfreight.model.base import Duration
from airfreight.model.promotion import StepStatus
from airfreight.steps.base import Expression, PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.functions import declared
from airfreight.steps.http_request import (
    HttpHeader,
    HttpQueryParam,
    header_bytes,
    http_url,
    request_faults,
    with_params,
)
from airfreight.steps.http_response import MAX_BYTES, parse_body, read_body, response_env

# Kargo asks again after its default interval where no expression says what success is.
_ASK_AGAIN = timedelta(minutes=5)
_LONGEST_PAUSE = 3600.0  # seconds, whatever Retry-After says
_FUNCTIONS = declared("bare")


class HttpOutput(StepConfig):
    """One output, computed from the response."""

    name: str = Field(min_length=1)
    from_expression: Expression = Field(min_length=1)


class HttpConfig(StepConfig):
    """Config of http; expressions are bare expr-lang over `response`."""

    url: str = Field(min_length=1)
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: tuple[HttpHeader, ...] = ()
    query_params: tuple[HttpQueryParam, ...] = ()
    body: str | None = None
    body_from_file: str | None = None
    insecure_skip_tls_verify: bool = Field(default=False, alias="insecureSkipTLSVerify")
    proxy: str | None = None
    timeout: Duration = timedelta(seconds=10)
    poll_interval: Duration = timedelta(seconds=30)
    response_content_type: Literal["application/json", "application/yaml", "text/plain"] | None = (
        None
    )
    success_expression: Expression = ""
    failure_expression: Expression = ""
    error_expression: Expression = ""
    outputs: tuple[HttpOutput, ...] = ()

    @field_validator("url", "proxy")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        return None if url is None else http_url(url)

    @model_validator(mode="after")
    def _has_one_body(self) -> Self:
        if self.body is not None and self.body_from_file is not None:
            raise ValueError("expected at most one of body and bodyFromFile")
        return self


class HttpStep(PromotionStep[HttpConfig]):
    """Sends one request per run; Running means that `pollInterval` later it wants to ask again."""

    kind = "http"
    config_type = HttpConfig
    outside_effect = "sends a request that may change something"

    def run(self, config: HttpConfig, context: StepContext) -> StepResult:
        response = _request(config, context)
        judge = _Judge({"response": response}, context.settings.expression_limits)
        status = response["status"]
        if judge.holds(config.failure_expression, "failureExpression"):
            raise TerminalStepError(_failure(config, judge, status), failed=True)
        if _succeeds(config, judge, status):
            return StepResult(output=_outputs(config, judge))
        return StepResult(
            StepStatus.RUNNING,
            message=f"HTTP ({status}) response is no success yet",
            retry_after=_pause(config, response["headers"]),
        )

    def effect_of(self, config: HttpConfig) -> str:
        # Later steps need what is read, and HTTP calls these two methods safe.
        return "" if config.method in ("GET", "HEAD") else f"sends a {config.method} request"


@dataclass(frozen=True)
class _Judge:
    """Evaluates expressions over one response."""

    env: Mapping[str, Any]
    limits: Limits

    def value(self, source: str, field: str) -> Any:
        try:
            program = compile_expression(source, _FUNCTIONS, self.limits)
        except ExpressionError as error:
            raise TerminalStepError(f"{field}: {error}") from error
        try:
            return program.run(self.env, self.limits)
        except ExpressionError as error:
            raise RetryableStepError(f"{field}: {error}") from error

    def output(self, source: str, field: str) -> Any:
        """Return the value as JSON has it, since an output is stored."""
        try:
            return plain_json(self.value(source, field), Meter(self.limits))
        except ExpressionError as error:
            raise RetryableStepError(f"{field}: {error}") from error
        except RecursionError:
            raise RetryableStepError(f"{field}: the value nests too deeply") from None

    def holds(self, source: str, field: str) -> bool:
        result = self.value(source, field) if source else False
        if not isinstance(result, bool):
            kind = type(result).__name__
            raise RetryableStepError(f"{field}: expected true or false, got {kind}")
        return result


def _succeeds(config: HttpConfig, judge: _Judge, status: int) -> bool:
    if config.success_expression:
        return judge.holds(config.success_expression, "successExpression")
    return not config.failure_expression and 200 <= status < 300


def _pause(config: HttpConfig, headers: Mapping[str, list[str]]) -> timedelta:
    """Return when to ask again: as configured, or later where the server asks for that, as with 429."""
    judged = config.success_expression or config.failure_expression
    usual = config.poll_interval if judged else _ASK_AGAIN
    asked = retry_seconds(headers.get("Retry-After", [""])[0], datetime.now(UTC)) or 0.0
    return max(usual, timedelta(seconds=min(asked, _LONGEST_PAUSE)))


def _failure(config: HttpConfig, judge: _Judge, status: int) -> str:
    message = f"HTTP ({status}) response met failure criteria"
    if not config.error_expression:
        return message
    text = judge.value(config.error_expression, "errorExpression")
    return f"{message}: {json.dumps(str(text), ensure_ascii=False)}"


def _outputs(config: HttpConfig, judge: _Judge) -> dict[str, Any]:
    return {
        output.name: judge.output(output.from_expression, f"outputs {output.name!r}")
        for output in config.outputs
    }


def _request(config: HttpConfig, context: StepContext) -> dict[str, Any]:
    with request_faults(config.method, config.url):
        url = with_params(config.url, config.query_params)
        body = _body(config, context)
        headers = header_bytes(config.headers)
        with context.http(
            timeout=config.timeout.total_seconds(),
            verify=not config.insecure_skip_tls_verify,
            proxy=config.proxy,
        ) as client:
            request = client.build_request(config.method, url, headers=headers, content=body)
            response = send_following(client, request)
            content = read_body(response)
    return response_env(response, parse_body(response, content, config.response_content_type))


def _body(config: HttpConfig, context: StepContext) -> bytes | None:
    if config.body_from_file is None:
        return config.body.encode() if config.body is not None else None
    file = context.workdir.existing(config.body_from_file)
    if not file.is_file():
        raise TerminalStepError(f"bodyFromFile {config.body_from_file!r}: there is no such file")
    if file.stat().st_size > MAX_BYTES:
        raise TerminalStepError(f"bodyFromFile {config.body_from_file!r} is larger than 2 MiB")
    return file.read_bytes()
