"""Which Connection opens a message channel, and whose it may be."""

from __future__ import annotations

from typing import Any

import pytest

from airfreight.errors import SettingsError
from airfreight.model.channel import MessageChannel
from airfreight.model.connections import ConnectionIds
from airfreight.model.credential import Credential
from airfreight.model.project import RepositoryCredential
from airfreight.runtime.channels import ProjectChannels

SLACK = {"slack": {"channelID": "C1"}}
MAIL = {"smtp": {"from": "a@b.c", "host": "mail", "port": 25}}


def secret(name: str, connection_id: str) -> RepositoryCredential:
    return RepositoryCredential(name=name, cred_type="generic", connection_id=connection_id)


def channel(name: str, spec: dict[str, Any], **fields: Any) -> MessageChannel:
    return MessageChannel.model_validate({"name": name, **spec, **fields})


@pytest.fixture
def channels() -> ProjectChannels:
    return ProjectChannels(
        ConnectionIds("shop"),
        [
            channel("slack", SLACK, secretRef={"name": "token"}),
            channel("slack", SLACK, cluster=True, connectionId="airfreight_shared_slack"),
            channel("mail", MAIL),
            channel("foreign", SLACK, secretRef={"name": "foreign"}),
            channel("dangling", SLACK, secretRef={"name": "gone"}),
        ],
        [secret("token", "airfreight_shop_slack"), secret("foreign", "airfreight_bank_slack")],
        lambda name: Credential("", f"login of {name}"),
    )


@pytest.mark.parametrize(
    ("kind", "connection"),
    [
        ("MessageChannel", "airfreight_shop_slack"),
        ("ClusterMessageChannel", "airfreight_shared_slack"),
    ],
)
def test_a_channel_is_opened_by_the_connection_of_its_secret_or_its_own(
    channels: ProjectChannels, kind: str, connection: str
) -> None:
    opened = channels.open(kind, "slack")
    assert opened.channel.kind == kind
    assert opened.login == Credential("", f"login of {connection}")


def test_a_mail_server_may_be_open_to_all(channels: ProjectChannels) -> None:
    assert channels.open("MessageChannel", "mail").login is None


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("MessageChannel", "x", "there is no MessageChannel 'x'"),
        ("ClusterMessageChannel", "mail", "there is no ClusterMessageChannel 'mail'"),
        ("MessageChannel", "dangling", "names the Secret 'gone'"),
        ("MessageChannel", "foreign", "may not use Connection 'airfreight_bank_slack'"),
    ],
)
def test_what_cannot_be_opened_says_why(
    channels: ProjectChannels, kind: str, name: str, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        channels.open(kind, name)
