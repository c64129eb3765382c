"""The step send-message: one message to a channel of Slack, by mail or by a notifier of Airflow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field, RootModel, ValidationError, field_validator

from airfreight.artifacts.slack import SLACK, post_message
from airfreight.artifacts.smtp import MailServer
from airfreight.errors import (
    ArtifactError,
    RefusedError,
    RetryableStepError,
    SettingsError,
    TerminalStepError,
    TransientError,
)
from airfreight.model.channel import NotifierChannel, SlackChannel, SmtpChannel
from airfreight.model.promotion import StepStatus
from airfreight.steps.base import OpenChannel, PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.mail import Line, Mail, mail_message
from airfreight.steps.yaml_data import load_yaml

ModelT = TypeVar("ModelT", bound=BaseModel)

_SLACK_SECONDS = 30.0
_SHORTEST_WAIT, _LONGEST_WAIT = timedelta(seconds=10), timedelta(minutes=5)


class ChannelReference(StepConfig):
    """Names a message channel."""

    kind: Literal["MessageChannel", "ClusterMessageChannel"]
    name: str = Field(min_length=1)


class SlackOptions(StepConfig):
    """What a message to Slack may say beside its text; an empty `thread_ts` begins a thread."""

    channel_id: str = Field(default="", alias="channelID")
    thread_ts: str = Field(default="", alias="threadTS")


class SmtpOptions(StepConfig):
    """What a mail may say beside its text."""

    to: tuple[str, ...] = ()
    subject: Line = ""
    html: bool = False

    @field_validator("to", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) and value else value or ()


class SendMessageConfig(StepConfig):
    """Config of send-message (`kargo.md` §2.11); with `encoding_type`, `message` says all that the options say."""

    channel: ChannelReference
    message: str = Field(min_length=1)
    encoding_type: Literal["", "json", "yaml"] = ""
    slack: SlackOptions = SlackOptions()
    smtp: SmtpOptions = SmtpOptions()


class SlackMessage(StepConfig, alias_generator=None):
    """An encoded message to Slack, in the names of its Web API."""

    channel: str = ""
    text: str = ""
    blocks: tuple[dict[str, Any], ...] = ()
    icon_emoji: str = ""
    icon_url: str = ""
    thread_ts: str = ""


class NotifierMessage(RootModel[dict[str, Any]]):
    """An encoded message to a notifier: arguments, beside the channel's own or in their place."""


class SendMessageStep(PromotionStep[SendMessageConfig]):
    """Sends unless this Promotion's state says that it was sent; `slack_api` is where Slack's Web API is."""

    kind = "send-message"
    config_type = SendMessageConfig
    uses_workdir = False
    outside_effect = "sends a message"

    def __init__(self, slack_api: str = SLACK) -> None:
        self._slack_api = slack_api

    def run(self, config: SendMessageConfig, context: StepContext) -> StepResult:
        if context.previous_output:
            context.log.info("The message was sent before the promotion began anew")
            return StepResult(output=context.previous_output)
        try:
            with _step_errors():
                return StepResult(output=self._send(config, context))
        except TransientError as error:
            if error.retry_after is None:
                raise RetryableStepError(str(error)) from None
            wait = min(max(timedelta(seconds=error.retry_after), _SHORTEST_WAIT), _LONGEST_WAIT)
            return StepResult(StepStatus.RUNNING, message=str(error), retry_after=wait)

    def _send(self, config: SendMessageConfig, context: StepContext) -> dict[str, Any]:
        target = context.channel(config.channel.kind, config.channel.name)
        if target.channel.slack is not None:
            return {"slack": self._post(config, context, target.channel.slack, target)}
        if target.channel.smtp is not None:
            return {"smtp": _mail(config, context, target.channel.smtp, target)}
        if target.channel.notifier is not None:
            return {"notifier": _notify(config, context, target.channel.notifier)}
        raise TerminalStepError(f"channel {target.channel.name!r} leads nowhere")

    def _post(
        self,
        config: SendMessageConfig,
        context: StepContext,
        channel: SlackChannel,
        target: OpenChannel,
    ) -> dict[str, str]:
        if target.login is None or not target.login.password:
            raise SettingsError(
                f"the Connection of channel {target.channel.name!r} has no password, which would be Slack's token"
            )
        if config.encoding_type:
            message = _decoded(SlackMessage, config)
        else:
            message = SlackMessage(
                channel=config.slack.channel_id,
                text=config.message,
                thread_ts=config.slack.thread_ts,
            )
        body = {"channel": channel.channel_id, **_given(message)}
        http = partial(context.http, timeout=_SLACK_SECONDS)
        sent = post_message(http, target.login.password, body, self._slack_api)
        return {"threadTS": message.thread_ts or sent}


def _mail(
    config: SendMessageConfig, context: StepContext, channel: SmtpChannel, target: OpenChannel
) -> dict[str, str]:
    if config.encoding_type:
        mail = _decoded(Mail, config)
    else:
        options = config.smtp
        mail = Mail(to=options.to, subject=options.subject, body=config.message, html=options.html)
    name = f"{context.promotion}/{context.alias}"
    # The same for a mail that is sent again, so that mailboxes which compare ids show it once.
    unique = hashlib.sha256(name.encode()).hexdigest()[:32]
    subject = mail.subject or f"Promotion to {context.project}/{context.stage}"
    message = mail_message(channel, mail.model_copy(update={"subject": subject}), unique)
    server = MailServer(
        host=channel.host,
        port=channel.port,
        login=target.login,
        tls=channel.use_tls,
        verify=not channel.insecure_skip_verify,
        allow_loopback=context.settings.allow_loopback,
        allow_plain_login=context.settings.allow_credentials_over_http,
    )
    for address, reason in server.send(message).items():
        context.log.warning("The mail server did not take the mail for %s: %s", address, reason)
    return {"messageID": str(message["Message-ID"])}


def _notify(
    config: SendMessageConfig, context: StepContext, channel: NotifierChannel
) -> dict[str, str]:
    plain = {channel.message_arg: config.message}
    message = _decoded(NotifierMessage, config).root if config.encoding_type else plain
    context.notify(channel.name, {**channel.args, **message})
    return {"name": channel.name}


def _decoded(model: type[ModelT], config: SendMessageConfig) -> ModelT:
    try:
        data = json.loads(config.message) if config.encoding_type == "json" else None
        data = load_yaml(config.message) if config.encoding_type == "yaml" else data
        return model.model_validate(data)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in fault["loc"]) or "message"
        raise TerminalStepError(f"the encoded message: {field}: {fault['msg']}") from None
    except (ValueError, RecursionError):
        kind = config.encoding_type.upper()
        raise TerminalStepError(
            f"the message is no {kind}; an expression that makes some needs quote(…)"
        ) from None


def _given(message: SlackMessage) -> dict[str, Any]:
    """Return what the message says; what it leaves empty is the channel's or Slack's own."""
    return {name: value for name, value in message.model_dump().items() if value}


@contextmanager
def _step_errors() -> Iterator[None]:
    try:
        yield
    except TransientError:
        raise
    except (SettingsError, RefusedError, ArtifactError) as error:
        raise TerminalStepError(str(error)) from None
