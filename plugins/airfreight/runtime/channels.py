"""The message channels of a project, with the logins that their Connections hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from airfreight.errors import SettingsError
from airfreight.model.channel import MessageChannel
from airfreight.model.connections import ConnectionIds
from airfreight.model.credential import Credential
from airfreight.model.project import RepositoryCredential
from airfreight.runtime.credentials import own_connection
from airfreight.steps.base import OpenChannel


class ProjectChannels:
    """Finds a channel by kind and name.

    `read` returns the login of a Connection's id, or raises SettingsError.
    """

    def __init__(
        self,
        ids: ConnectionIds,
        channels: Iterable[MessageChannel],
        credentials: Iterable[RepositoryCredential],
        read: Callable[[str], Credential | None],
    ) -> None:
        self._ids = ids
        self._channels = {(channel.kind, channel.name): channel for channel in channels}
        self._connections = {
            secret.name: secret.connection_id for secret in credentials if not secret.shared
        }
        self._read = read

    def open(self, kind: str, name: str) -> OpenChannel:
        """Return the channel and its login; raises SettingsError where either is missing or not the project's."""
        channel = self._channels.get((kind, name))
        if channel is None:
            raise SettingsError(f"there is no {kind} {name!r} without errors in the manifests")
        connection_id = self._connection(channel)
        if not connection_id:
            return OpenChannel(channel, None)
        return OpenChannel(channel, self._read(own_connection(connection_id, self._ids)))

    def _connection(self, channel: MessageChannel) -> str:
        if channel.secret_ref is None:
            return channel.connection_id
        named = self._connections.get(channel.secret_ref.name)
        if named is None:
            raise SettingsError(
                f"{channel.kind} {channel.name!r} names the Secret {channel.secret_ref.name!r}, "
                "which the manifests do not have without errors"
            )
        return named
