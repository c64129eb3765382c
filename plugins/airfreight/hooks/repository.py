"""Connections as logins for repositories."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

from airfreight.errors import SettingsError
from airfreight.hooks.configuration import read_settings
from airfreight.model.credential import Credential
from airfreight.model.project import RepositoryCredential
from airfreight.runtime.credentials import find_connection
from airfreight.runtime.settings import Settings
from airfreight.sources.base import Access, Source, SourceSettings

if TYPE_CHECKING:
    from airflow.sdk import Connection


class RepositoryHook(BaseHook):
    """Reads the login of a repository's Connection; any Connection type will do.

    The extra may hold `private_key` and `known_hosts` for SSH, `ca_certificate` for https, `signing_key` for
    commits.

    :param repository_conn_id: id of the Connection; empty for an anonymous visit.
    """

    conn_name_attr = "repository_conn_id"
    default_conn_name = "repository_default"
    conn_type = "airfreight_repository"
    hook_name = "Repository (Airfreight)"

    def __init__(self, repository_conn_id: str = "") -> None:
        super().__init__()
        self.repository_conn_id = repository_conn_id

    def get_conn(self) -> Credential | None:
        """Return the login, or None for an anonymous visit; raises SettingsError where the Connection is missing."""
        if not self.repository_conn_id:
            return None
        try:
            return _credential(self.get_connection(self.repository_conn_id))
        except Exception as error:
            raise _missing(self.repository_conn_id) from error

    async def aget_conn(self) -> Credential | None:
        """Return the same from within a trigger, without blocking the event loop."""
        if not self.repository_conn_id:
            return None
        try:
            return _credential(await self.aget_connection(self.repository_conn_id))
        except Exception as error:
            raise _missing(self.repository_conn_id) from error


def _credential(connection: Connection) -> Credential:
    extra = connection.extra_dejson
    return Credential(
        username=connection.login or "",
        password=connection.password or "",
        ssh_private_key=str(extra.get("private_key") or ""),
        known_hosts=str(extra.get("known_hosts") or ""),
        ca_certificate=str(extra.get("ca_certificate") or ""),
        signing_key=str(extra.get("signing_key") or ""),
    )


def _missing(connection_id: str) -> SettingsError:
    return SettingsError(
        f"there is no usable Connection {connection_id!r}; make it with `airflow connections add "
        f"{connection_id} --conn-type http --conn-login <user> --conn-password <token>`, "
        f"or set AIRFLOW_CONN_{connection_id.upper()} where this ran"
    )


async def source_access(connection_id: str) -> Access:
    """Return what a trigger may use to look at a source, without blocking the event loop."""
    credential = await RepositoryHook(connection_id).aget_conn()
    return access_of(credential, await asyncio.to_thread(read_settings))


def access_of(credential: Credential | None, settings: Settings) -> Access:
    """Return what may be used to look at a source with this login."""
    return Access(credential, SourceSettings.of(settings), settings.cache())


class ConnectionCredentials:
    """Finds the login for a repository among a project's credentials; steps see nothing else of Airflow."""

    def __init__(self, project: str, credentials: Sequence[RepositoryCredential]) -> None:
        self._project = project
        self._credentials = credentials

    def find(self, kind: str, url: str) -> Credential | None:
        """Return the login of `kind` (git, helm, image) for `url`, or None for an anonymous visit."""
        connection_id = find_connection(self._credentials, self._project, kind, url)
        return RepositoryHook(connection_id).get_conn() if connection_id is not None else None

    def access(self, source: Source) -> Access:
        """Return what a task may use to look at a source."""
        kind = source.credential_kind
        credential = self.find(kind, source.credential_url) if kind else None
        return access_of(credential, read_settings())
