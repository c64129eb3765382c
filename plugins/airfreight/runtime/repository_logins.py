"""What opens a repository: the login that a Connection holds, or a token that is fetched for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from airfreight.artifacts.tokens.cache import TokenCache
from airfreight.artifacts.tokens.token import Token, TokenProvider
from airfreight.model.credential import Credential
from airfreight.runtime.ambient import ambient_provider
from airfreight.runtime.settings import Settings
from airfreight.runtime.token_connections import ConnectionFields, Repository, token_provider


@dataclass(frozen=True)
class RepositoryLogins:
    """Turns Connections into logins.

    Both ways raise SettingsError where a Connection is not usable, and as `TokenProvider.fetch` where no token can be
    had.
    """

    tokens: TokenCache
    settings: Settings

    def open(
        self, connection: ConnectionFields | None, repository: Repository | None = None
    ) -> Credential | None:
        """Return the login, or None for an anonymous visit; blocks while a token is fetched.

        Without a Connection it is the worker's own identity, where the deployment allows that.
        """
        provider = self._provider(connection, repository)
        if provider is None:
            return _held(connection) if connection else None
        return self._credential(connection, provider, self.tokens.get(provider))

    async def aopen(
        self, connection: ConnectionFields | None, repository: Repository | None = None
    ) -> Credential | None:
        """Return the same without blocking the event loop."""
        provider = await asyncio.to_thread(self._provider, connection, repository)
        if provider is None:
            return _held(connection) if connection else None
        return self._credential(connection, provider, await self.tokens.aget(provider))

    def _provider(
        self, connection: ConnectionFields | None, repository: Repository | None
    ) -> TokenProvider | None:
        if connection is not None:
            return token_provider(connection, repository, self.settings)
        return ambient_provider(repository, self.settings) if repository else None

    def _credential(
        self, connection: ConnectionFields | None, provider: TokenProvider, token: Token
    ) -> Credential:
        def renew() -> Credential | None:
            other = self.tokens.get(provider, refused=token.password)
            if other.password == token.password:
                return None
            return self._credential(connection, provider, other)

        held = _held(connection) if connection else Credential("", "")
        return replace(held, username=token.username, password=token.password, renew=renew)


def _held(connection: ConnectionFields) -> Credential:
    extra = connection.extra
    return Credential(
        username=connection.login,
        password=connection.password,
        ssh_private_key=str(extra.get("private_key") or ""),
        known_hosts=str(extra.get("known_hosts") or ""),
        ca_certificate=str(extra.get("ca_certificate") or ""),
        signing_key=str(extra.get("signing_key") or ""),
    )
