"""The subscription kind dbt-project: a folder of a Git repository, by the version in its manifest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from functools import partial

from cachetools import FIFOCache
from pydantic import Field, field_validator

from airfreight.artifacts.dbt_project import DbtProject, head_of, read_project
from airfreight.artifacts.git_access import GitRemote
from airfreight.artifacts.git_limits import GitLimits
from airfreight.artifacts.git_urls import check_ref_name, check_repository_url, commit_url
from airfreight.errors import ArtifactError
from airfreight.sources.base import Access, Rejected
from airfreight.sources.git_repository import NETWORK
from airfreight.sources.kind import ArtifactVersion, SubscriptionConfig, SubscriptionKind

_KEPT = 1000  # projects whose last commit is known, so that a poll that finds it fetches nothing
_MOST_OUTPUT = 2**22
_LOG = logging.getLogger(__name__)


class DbtProjectConfig(SubscriptionConfig):
    """`path` is the project's folder in the repository; empty `branch`: the default one."""

    repo_url: str = Field(alias="repoURL", max_length=2000)
    branch: str = Field(default="", max_length=255)
    path: str = Field(default="", max_length=1000)
    insecure_skip_tls_verify: bool = Field(default=False, alias="insecureSkipTLSVerify")

    @field_validator("repo_url")
    @classmethod
    def _is_a_repository(cls, url: str) -> str:
        try:
            check_repository_url(url)
        except ArtifactError as error:
            raise ValueError(str(error)) from None
        return url

    @field_validator("branch")
    @classmethod
    def _is_a_branch(cls, branch: str) -> str:
        try:
            if branch:
                check_ref_name(branch)
        except ArtifactError as error:
            raise ValueError(str(error)) from None
        return branch

    @field_validator("path")
    @classmethod
    def _is_within(cls, path: str) -> str:
        parts = path.rstrip("/").split("/") if path else []
        if any(part in ("", ".", "..") for part in parts) or not path.isprintable():
            raise ValueError("expected a folder within the repository, such as analytics/dbt")
        return "/".join(parts)


class DbtProjectKind(SubscriptionKind[DbtProjectConfig]):
    """The version that the manifest has at the branch's head; a commit that leaves it as it is makes no Freight."""

    kind = "dbt-project"
    config_type = DbtProjectConfig
    credential_kind = "git"

    def __init__(self) -> None:
        self._known: FIFOCache[tuple[str, str, str], DbtProject] = FIFOCache(_KEPT)

    def url(self, config: DbtProjectConfig) -> str:
        """Return the repository."""
        return config.repo_url

    async def versions(
        self, config: DbtProjectConfig, access: Access
    ) -> AsyncGenerator[ArtifactVersion | Rejected]:
        """Ask for the branch's head, and read the manifest where that is another than the last."""
        remote, settings = _remote(config, access), access.settings
        loop = asyncio.get_running_loop()
        memory = settings.max_git_memory
        poll = GitLimits(settings.git_poll_timeout, _MOST_OUTPUT, memory=memory)
        head = partial(head_of, remote, config.branch, _LOG, poll)
        sha = await loop.run_in_executor(NETWORK, head)
        key = (config.repo_url, config.path, sha)
        project = self._known.get(key)
        if project is None:
            size = settings.max_git_mirrors_size
            fetch = GitLimits(settings.git_fetch_timeout, _MOST_OUTPUT, size, memory)
            read = partial(read_project, remote, sha, config.path, _LOG, fetch)
            project = await loop.run_in_executor(NETWORK, read)
            self._known[key] = project
        yield ArtifactVersion(
            version=project.version,
            name=project.name,
            link=commit_url(config.repo_url, sha) or "",
            digest=sha,
            undated="only the branch's head is read; for a backfill subscribe to the repository by git",
        )


def _remote(config: DbtProjectConfig, access: Access) -> GitRemote:
    return GitRemote(
        config.repo_url,
        credential=access.credential,
        allow_credentials_over_http=access.settings.allow_credentials_over_http,
        verify_tls=not config.insecure_skip_tls_verify,
        allow_loopback=access.settings.allow_loopback,
    )
