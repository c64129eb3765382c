"""The worker's own identity in a cloud, for registries that no Connection opens (`kargo.md` §5.2).

A pipeline author names hosts, and must not come by that identity so: the deployment has to allow each cloud, only the
cloud's own registries are asked, and only for images and charts.
"""

from __future__ import annotations

from airfreight.artifacts.tokens.acr import AcrTokens, AzureIdentity, is_azure
from airfreight.artifacts.tokens.artifact_registry import GoogleTokens, is_google
from airfreight.artifacts.tokens.ecr import AwsIdentity, EcrTokens, region_of
from airfreight.artifacts.tokens.token import TokenProvider
from airfreight.runtime.settings import Settings
from airfreight.runtime.token_connections import Repository

_WHOSE = "the worker's own identity (setting ambient_credentials)"


def ambient_provider(repository: Repository, settings: Settings) -> TokenProvider | None:
    """Return what fetches tokens for the worker's identity, or None for an anonymous visit."""
    allowed = settings.ambient_clouds()
    host = repository.registry
    region = region_of(host)
    if region and "aws" in allowed:
        return EcrTokens(_WHOSE, AwsIdentity(project=repository.project), region)
    if is_google(host) and "google" in allowed:
        return GoogleTokens(_WHOSE, project=repository.project)
    if is_azure(host) and "azure" in allowed:
        return AcrTokens(_WHOSE, AzureIdentity(), host)
    return None


def ambient_scope(repository: Repository) -> str:
    """Return the project where the worker acts in a role of the project's own, so that no other sees what it sees.

    Empty where no cloud is asked: there all visitors without a Connection are anonymous.
    """
    host = repository.registry
    is_cloud = region_of(host) is not None or is_google(host) or is_azure(host)
    return repository.project if is_cloud else ""
