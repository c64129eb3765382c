"""The step http-download: one file from a server into the work directory."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import IO

import httpx
from pydantic import Field, field_validator

from airfreight.artifacts.guarded_http import send_following
from airfreight.artifacts.unpacking import body_of
from airfreight.errors import ArtifactError, RetryableStepError, TerminalStepError
from airfreight.model.base import Duration
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.http_request import (
    HttpHeader,
    HttpQueryParam,
    header_bytes,
    http_url,
    request_faults,
    with_params,
)
from airfreight.steps.new_file import new_file, new_place

_MIB = 1024 * 1024


class HttpDownloadConfig(StepConfig):
    """Config of http-download; `timeout` is for the whole download."""

    url: str = Field(min_length=1)
    out_path: str = Field(min_length=1)
    allow_overwrite: bool = False
    headers: tuple[HttpHeader, ...] = ()
    query_params: tuple[HttpQueryParam, ...] = ()
    insecure_skip_tls_verify: bool = Field(default=False, alias="insecureSkipTLSVerify")
    timeout: Duration = timedelta(minutes=5)

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        return http_url(url)


class HttpDownloadStep(PromotionStep[HttpDownloadConfig]):
    """Downloads up to `most` bytes, 100 MiB as in Kargo; the file appears whole or not at all, with the mode 0600."""

    kind = "http-download"
    config_type = HttpDownloadConfig
    outside_effect = ""

    def __init__(self, most: int = 100 * _MIB) -> None:
        self._most = most

    def run(self, config: HttpDownloadConfig, context: StepContext) -> StepResult:
        try:
            self._download(
                config,
                context,
                new_place(context.workdir, config.out_path, allow_overwrite=config.allow_overwrite),
            )
        except OSError as error:
            raise RetryableStepError(
                f"cannot write outPath {config.out_path!r}: {error.strerror or error}"
            ) from error
        return StepResult()

    def _download(self, config: HttpDownloadConfig, context: StepContext, place: Path) -> None:
        with (
            request_faults("GET", config.url),
            context.http(
                timeout=config.timeout.total_seconds(),
                verify=not config.insecure_skip_tls_verify,
            ) as client,
        ):
            url = with_params(config.url, config.query_params)
            request = client.build_request("GET", url, headers=header_bytes(config.headers))
            response = send_following(client, request)
            try:
                self._check(response)
                with new_file(place, 0o600) as file:
                    self._write(response, file)
            finally:
                response.close()

    def _check(self, response: httpx.Response) -> None:
        if not response.is_success:
            status = response.status_code
            raise RetryableStepError(f"HTTP request failed with status {status}", failed=True)
        announced = response.headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > self._most:
            raise self._too_large()

    def _write(self, response: httpx.Response, file: IO[bytes]) -> None:
        written = 0
        try:
            for chunk in body_of(response):
                written += len(chunk)
                if written > self._most:
                    raise self._too_large()
                file.write(chunk)
        except ArtifactError as error:
            raise RetryableStepError(str(error), failed=True) from None

    def _too_large(self) -> TerminalStepError:
        return TerminalStepError(f"the download is larger than {self._most / _MIB:g} MiB")
