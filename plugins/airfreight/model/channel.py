"""MessageChannel and ClusterMessageChannel: where a promotion's messages go."""

from __future__ import annotations

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


class MessageChannel(Model):
    """One place for messages.

    `cluster` tells a ClusterMessageChannel, which has no Secret: `connection_id` comes from its annotation
    `airfreight/connection`. That of a MessageChannel is the one that its Secret names.
    """

    name: Name
    cluster: bool = False
    connection_id: str = ""
    secret_ref: SecretReference | None = None
    slack: SlackChannel | None = None
    smtp: SmtpChannel | None = None

    @model_validator(mode="after")
    def _exactly_one_place(self) -> MessageChannel:
        if (self.slack is None) == (self.smtp is None):
            raise ValueError("expected exactly one of slack and smtp")
        return self

    @property
    def kind(self) -> str:
        """The kind of its manifest."""
        return "ClusterMessageChannel" if self.cluster else "MessageChannel"
