"""The services' clients for a repository on this machine."""

from __future__ import annotations

from urllib.parse import urlsplit

from airfreight.artifacts.hosting.azure import Azure
from airfreight.artifacts.hosting.bitbucket import Bitbucket
from airfreight.artifacts.hosting.protocol import HostingService
from airfreight.artifacts.hosting.services import Provider, service_of

PROVIDERS: tuple[Provider, ...] = ("github", "gitlab", "gitea", "bitbucket", "azure")


def service_here(repository: str, provider: Provider | None = None) -> HostingService:
    """Return the service; Bitbucket's and Azure's, which have one address in the world, below /api/ of `repository`."""
    place = urlsplit(repository)
    path = place.path.removesuffix(".git")
    if provider == "bitbucket":
        service: Bitbucket | Azure = Bitbucket(f"https://bitbucket.org{path}")
    elif provider == "azure":
        owner, name = path.strip("/").split("/")
        service = Azure(f"https://dev.azure.com/{owner}/_git/{name}")
    else:
        return service_of(repository, provider)
    service.base_url = f"{place.scheme}://{place.netloc}/api{urlsplit(service.base_url).path}"
    return service
