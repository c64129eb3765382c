"""What the steps on GitHub's workflows share: which repository, and the client for it."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from airfreight.artifacts.git_urls import provider_of, web_address
from airfreight.artifacts.hosting.client import HostingClient
from airfreight.artifacts.hosting.github import GitHub
from airfreight.errors import ArtifactError, TerminalStepError
from airfreight.steps.base import StepConfig, StepContext
from airfreight.steps.git_worktree import remote_of
from airfreight.steps.pull_request import client_of


class WorkflowConfig(StepConfig):
    """Which repository has the workflow."""

    repo_url: str = Field(alias="repoURL", min_length=1)
    insecure_skip_tls_verify: bool = Field(default=False, alias="insecureSkipTLSVerify")


def open_github(
    context: StepContext, config: WorkflowConfig, sleep: Callable[[float], object]
) -> tuple[GitHub, HostingClient]:
    """Return the repository on GitHub, and the client with the project's login for it.

    Any host that is not known as another service is taken for GitHub Enterprise Server. Raises TerminalStepError.
    """
    url = config.repo_url
    remote = remote_of(context, url)
    service = provider_of(url)
    if service not in (None, "github"):
        raise TerminalStepError(f"{url} is on {service}, and only GitHub has GitHub Actions")
    try:
        github = GitHub(web_address(url))
    except ArtifactError as error:
        raise TerminalStepError(str(error)) from None
    verify = not config.insecure_skip_tls_verify
    return github, client_of(context, github, remote.credential, sleep, verify=verify)
