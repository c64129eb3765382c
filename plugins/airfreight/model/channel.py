"""MessageChannel and ClusterMessageChannel: where a promotion's messages go."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from airfreight.model.base import Model, Name


class SecretReference(Model):
    """Names a Secret of the project."""

    name: Name


class SlackChannel(Model):
    """A channel of Slack."""

    channel_id: str = Field(alias="channelID", min_length=1)


class SmtpChannel(Model):
    """A mail server and the addresses of a mail; the first of `to` is the recipient, the others get a copy."""

    from_: str = Field(alias="from", min_length=1)
    to: tuple[str, ...] = ()
    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    use_tls: bool = Field(default=True, alias="useTLS")
    insecure_skip_verify: bool = False


class NotifierChannel(Model):
    """A notifier of Airflow, by its name in the deployment's list; its argument `message_arg` takes the message."""

    name: str = Field(min_length=1)
    message_arg: str = Field(min_length=1)
    args: dict[str, Any] = Field(default_factory=dict)


class MessageChannel(Model):
    """One place for messages.

    `cluster` tells a ClusterMessageChannel, which has no Secret: `connection_id` comes from its annotation
    `airfreight/connection`. That of a MessageChannel is the one that its Secret names. A notifier has its
    Connections in its arguments, and no other.
    """

    name: Name
    cluster: bool = False
    connection_id: str = ""
    secret_ref: SecretReference | None = None
    slack: SlackChannel | None = None
    smtp: SmtpChannel | None = None
    notifier: NotifierChannel | None = None

    @model_validator(mode="after")
    def _exactly_one_place(self) -> MessageChannel:
        if (self.slack, self.smtp, self.notifier).count(None) != 2:
            raise ValueError("expected exactly one of slack, smtp and notifier")
        if self.notifier and (self.secret_ref or self.connection_id):
            raise ValueError(
                "expected the Connections of a notifier in its args, and no secretRef or annotation"
            )
        return self

    @property
    def kind(self) -> str:
        """The kind of its manifest."""
        return "ClusterMessageChannel" if self.cluster else "MessageChannel"
