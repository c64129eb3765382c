"""Which service hosts a repository (`kargo.md` §2.4, "Provider matrix")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from airfreight.artifacts.git_urls import check_repository_url, provider_of, web_address
from airfreight.artifacts.hosting.azure import Azure
from airfreight.artifacts.hosting.bitbucket import Bitbucket
from airfreight.artifacts.hosting.gitea import Gitea
from airfreight.artifacts.hosting.github import GitHub
from airfreight.artifacts.hosting.gitlab import GitLab
from airfreight.artifacts.hosting.protocol import HostingService
from airfreight.errors import ArtifactError

Provider = Literal["azure", "bitbucket", "gitea", "github", "gitlab"]

_SERVICES: dict[str, Callable[[str], HostingService]] = {
    "azure": Azure,
    "bitbucket": Bitbucket,
    "gitea": Gitea,
    "github": GitHub,
    "gitlab": GitLab,
}


def service_of(repository: str, provider: Provider | None = None) -> HostingService:
    """Return the service by `provider`, else by the host; raises ArtifactError where neither tells it.

    A repository that is reached by SSH has its API at https on the usual port.
    """
    check_repository_url(repository)
    name = provider or provider_of(repository)
    if name is None:
        raise ArtifactError(
            f"the host of {repository} does not tell which service it is: "
            f"set provider to one of {', '.join(sorted(_SERVICES))}"
        )
    return _SERVICES[name](web_address(repository))
