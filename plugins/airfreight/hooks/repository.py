"""Connections as logins for repositories, and the tokens that some of them give."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from airfreight.artifacts.tokens.cache import TokenCache
from airfreight.errors import SettingsError
from airfreight.hooks.configuration import read_settings
from airfreight.model.connections import ConnectionIds
from airfreight.model.credential import Credential
from airfreight.model.project import RepositoryCredential
from airfreight.runtime.credentials import find_connection
from airfreight.runtime.repository_logins import RepositoryLogins
from airfreight.runtime.settings import Settings
from airfreight.runtime.token_connections import ConnectionFields, Repository
from airfreight.sources.base import Access, Source, SourceSettings

if TYPE_CHECKING:
    from airflow.sdk import Connection


# Of the process: a token serves all tasks and triggers in it.
_TOKENS = TokenCache(mask_secret)


class RepositoryHook(BaseHook):
    """Reads what opens a repository out of its Connection.

    A Connection of the type ``aws``, ``google_cloud_platform``, ``azure``, ``azure_container_registry`` or ``wasb``, or
    with a GitHub App in its extra, gives tokens, and for that has to know the repository. Any other one holds login and
    password. The extra may hold `private_key` and `known_hosts` for SSH, `ca_certificate` for https, `signing_key` for
    commits.

    :param repository_conn_id: id of the Connection; empty for an anonymous visit, or for the worker's own identity
        where the setting ambient_credentials allows that.
    :param repository: what is to be opened, and for which project; None for a login that opens no repository.
    :param tokens: where tokens are kept.
    """

    conn_name_attr = "repository_conn_id"
    default_conn_name = "repository_default"
    conn_type = "airfreight_repository"
    hook_name = "Repository (Airfreight)"

    def __init__(
        self,
        repository_conn_id: str = "",
        repository: Repository | None = None,
        tokens: TokenCache = _TOKENS,
    ) -> None:
        super().__init__()
        self.repository_conn_id = repository_conn_id
        self.repository = repository
        self.tokens = tokens

    def get_conn(self) -> Credential | None:
        """Return the login, or None for an anonymous visit; blocks while a token is fetched.

        Raises SettingsError where the Connection is missing or not usable, ArtifactError where no token can be had.
        """
        return RepositoryLogins(self.tokens, read_settings()).open(self._fields(), self.repository)

    async def aget_conn(self) -> Credential | None:
        """Return the same from within a trigger, without blocking the event loop."""
        settings = await asyncio.to_thread(read_settings)
        return await RepositoryLogins(self.tokens, settings).aopen(
            await self._afields(), self.repository
        )

    def _fields(self) -> ConnectionFields | None:
        if not self.repository_conn_id:
            return None
        try:
            return fields_of(self.get_connection(self.repository_conn_id))
        except Exception as error:
            raise _missing(self.repository_conn_id) from error

    async def _afields(self) -> ConnectionFields | None:
        if not self.repository_conn_id:
            return None
        try:
            return fields_of(await self.aget_connection(self.repository_conn_id))
        except Exception as error:
            raise _missing(self.repository_conn_id) from error


def fields_of(connection: Connection) -> ConnectionFields:
    """Return what a Connection says, as the runtime reads it."""
    host = connection.host or ""
    return ConnectionFields(
        conn_id=connection.conn_id,
        conn_type=connection.conn_type or "",
        host=f"{host}:{connection.port}" if host and connection.port else host,
        login=connection.login or "",
        password=connection.password or "",
        extra=connection.extra_dejson,
    )


def _missing(connection_id: str) -> SettingsError:
    return SettingsError(
        f"there is no usable Connection {connection_id!r}; make it with `airflow connections add "
        f"{connection_id} --conn-type http --conn-login <user> --conn-password <token>`, "
        f"or set AIRFLOW_CONN_{connection_id.upper()} where this ran"
    )


async def source_access(connection_id: str, source: Source, project: str = "") -> Access:
    """Return what a trigger may use to look at a project's source, without blocking the event loop."""
    repository = Repository(source.credential_kind, source.credential_url, project)
    credential = await RepositoryHook(connection_id, repository).aget_conn()
    return access_of(credential, await asyncio.to_thread(read_settings))


def access_of(credential: Credential | None, settings: Settings) -> Access:
    """Return what may be used to look at a source with this login."""
    return Access(credential, SourceSettings.of(settings), settings.cache())


class ConnectionCredentials:
    """Finds the login for a repository among a project's credentials; steps see nothing else of Airflow."""

    def __init__(self, ids: ConnectionIds, credentials: Sequence[RepositoryCredential]) -> None:
        self._ids = ids
        self._credentials = credentials

    def find(self, kind: str, url: str) -> Credential | None:
        """Return the login of `kind` (git, helm, image) for `url`, or None for an anonymous visit."""
        connection_id = find_connection(self._credentials, self._ids, kind, url)
        return RepositoryHook(
            connection_id or "", Repository(kind, url, self._ids.project or "")
        ).get_conn()

    def access(self, source: Source) -> Access:
        """Return what a task may use to look at a source."""
        kind = source.credential_kind
        credential = self.find(kind, source.credential_url) if kind else None
        return access_of(credential, read_settings())
