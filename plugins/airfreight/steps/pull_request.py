"""What the steps on pull requests share: their fields, their base class, waiting out a limit.

`client_of`, `waiting_out_limits` and `waiting` also serve other steps that talk to a service that hosts repositories.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar

from pydantic import Field

from airfreight.artifacts.hosting.client import HostingClient
from airfreight.artifacts.hosting.protocol import HostingService
from airfreight.artifacts.hosting.services import Provider, service_of
from airfreight.errors import ArtifactError, TerminalStepError, TransientError
from airfreight.model.credential import Credential
from airfreight.model.promotion import StepStatus
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.git_worktree import remote_of, step_errors

# The service that hosts a repository, by its URL and the config's `provider`; raises ArtifactError.
ServiceFor = Callable[[str, Provider | None], HostingService]

_SHORTEST_WAIT = timedelta(seconds=10)
_REQUEST_TIMEOUT = 30.0  # seconds; services compute some answers while one waits


class RepositoryConfig(StepConfig):
    """Which repository, and on which service."""

    repo_url: str = Field(alias="repoURL", min_length=1)
    provider: Provider | None = None
    insecure_skip_tls_verify: bool = Field(default=False, alias="insecureSkipTLSVerify")


class NumberedConfig(RepositoryConfig):
    """Which pull request of it."""

    pr_number: int = Field(alias="prNumber", ge=1)


ConfigT = TypeVar("ConfigT", bound=RepositoryConfig)


class PullRequestStep(PromotionStep[ConfigT]):
    """Base of the steps on pull requests, which read and write nothing in the work directory.

    :param sleep: waits for so many seconds.
    :param service_for: tells which service hosts a repository.
    """

    uses_workdir = False

    def __init__(
        self,
        sleep: Callable[[float], None] = time.sleep,
        service_for: ServiceFor = service_of,
    ) -> None:
        self._sleep = sleep
        self._service_for = service_for

    def _hosting(self, config: RepositoryConfig, context: StepContext) -> HostingClient:
        """Return the client for the repository, with the project's login for it; raises TerminalStepError."""
        remote = remote_of(context, config.repo_url)
        try:
            service = self._service_for(config.repo_url, config.provider)
        except ArtifactError as error:
            raise TerminalStepError(str(error)) from None
        verify = not config.insecure_skip_tls_verify
        return client_of(context, service, remote.credential, self._sleep, verify=verify)


def client_of(
    context: StepContext,
    service: HostingService,
    login: Credential | None,
    sleep: Callable[[float], object],
    *,
    verify: bool,
) -> HostingClient:
    """Return the client for `service`; `verify` says whether its certificate is checked."""
    authority = login.ca_certificate if login else ""
    return HostingClient(
        service=service,
        http=partial(context.http, timeout=_REQUEST_TIMEOUT, verify=verify, authority=authority),
        credential=login,
        allow_credentials_over_http=context.settings.allow_credentials_over_http,
        sleep=sleep,
    )


def waiting_out_limits(context: StepContext, act: Callable[[], StepResult]) -> StepResult:
    """Return what `act` returns; where the service asks for a pause, Running until that is over.

    A limit says nothing about the pull request and is no error of the step. What it put out before is kept.
    """
    with step_errors():
        try:
            return act()
        except TransientError as error:
            if error.retry_after is None:
                raise
            wait = max(timedelta(seconds=error.retry_after), _SHORTEST_WAIT)
            return waiting(str(error), wait, context)


def waiting(message: str, poll_interval: timedelta, context: StepContext) -> StepResult:
    """Return Running; the engine asks again after `poll_interval`, 10 s at the least."""
    return StepResult(
        StepStatus.RUNNING,
        context.previous_output,
        message,
        max(poll_interval, _SHORTEST_WAIT),
    )
