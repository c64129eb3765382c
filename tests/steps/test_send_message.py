"""send-message: to a mail server on this machine, and to a server that answers as Slack's documentation says.

What a notifier of Airflow does with its arguments is tested with `NotifierRunner`.
"""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airfreight.errors import RetryableStepError, SettingsError, TerminalStepError
from airfreight.model.channel import MessageChannel
from airfreight.model.credential import Credential
from airfreight.model.promotion import StepStatus
from airfreight.steps.base import OpenChannel, StepContext, StepResult, StepSettings
from airfreight.steps.send_message import SendMessageConfig, SendMessageStep
from tests.certificates import private_authority
from tests.mail_server import MailServer
from tests.serving import QuietHandler, running
from tests.steps.examples import FREIGHT, example_config
from tests.steps.files import context_at

TOKEN = "xoxb-hunter2"
TO_SLACK = {"kind": "MessageChannel", "name": "slack"}
TO_MAIL = {"kind": "ClusterMessageChannel", "name": "mail"}
SLACK = MessageChannel.model_validate({"name": "slack", "slack": {"channelID": "C1"}})
BOT = Credential("", TOKEN)
USER = Credential("bot", "hunter2")


@dataclass
class SlackServer:
    """Slack's Web API as far as it is used: `answers` are given in turn, as status, headers and body."""

    url: str = ""
    answers: list[tuple[int, dict[str, str], Any]] = field(default_factory=list)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    state = SlackServer()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.asked.append((self.path, self.headers["Authorization"], json.loads(body)))
            usual = (200, {}, {"ok": True, "channel": "C1", "ts": "1503435956.000247"})
            status, headers, answer = state.answers.pop(0) if state.answers else usual
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as state.url:
        yield state


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


def mail_channel(server: MailServer, **changes: Any) -> MessageChannel:
    smtp = {
        "from": "Kargo <kargo@example.com>",
        "to": ["a@example.com", "b@example.com"],
        "host": "127.0.0.1",
        "port": server.port,
        "useTLS": False,
        **changes,
    }
    return MessageChannel.model_validate({"name": "mail", "cluster": True, "smtp": smtp})


def at_channel(
    channel: MessageChannel, login: Credential | None = None, **settings: Any
) -> StepContext:
    def open_channel(kind: str, name: str) -> OpenChannel:
        if (kind, name) != (channel.kind, channel.name):
            raise SettingsError(f"there is no {kind} {name!r}")
        return OpenChannel(channel, login)

    opened = StepSettings(allow_loopback=True, **settings)
    return replace(context_at(Path("/nowhere")), channel=open_channel, settings=opened)


def send(context: StepContext, api: str = "", **config: Any) -> StepResult:
    step = SendMessageStep(api) if api else SendMessageStep()
    return step.run(SendMessageConfig.model_validate(config), context)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"message": "x"}, "channel"),
        ({"channel": TO_SLACK}, "message"),
        ({"channel": TO_SLACK, "message": ""}, "message"),
        ({"channel": TO_SLACK, "message": {"a": 1}}, "message"),
        ({"channel": {"kind": "Channel", "name": "x"}, "message": "x"}, "channel"),
        ({"channel": TO_SLACK, "message": "x", "encodingType": "xml"}, "encodingType"),
        ({"channel": TO_SLACK, "message": "x", "slack": {"threadTs": "1"}}, "slack"),
        ({"channel": TO_SLACK, "message": "x", "smtp": {"to": 1}}, "smtp"),
        ({"channel": TO_SLACK, "message": "x", "smtp": {"subject": "a\nBcc: b@c.d"}}, "smtp"),
    ],
    ids=[
        "no channel",
        "no message",
        "empty",
        "an object",
        "kind",
        "xml",
        "unknown",
        "to",
        "a header in a subject",
    ],
)
def test_a_bad_config_names_the_field(config: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        SendMessageConfig.model_validate(config)
    assert refused.value.errors()[0]["loc"][0] == field


SLACK_BODIES = {
    "text": ({}, {"channel": "C1", "text": "hi"}, "1503435956.000247"),
    "another channel": ({"slack": {"channelID": "C2"}}, {"channel": "C2", "text": "hi"}, "1503435956.000247"),
    "in a thread": ({"slack": {"threadTS": "1.2"}}, {"channel": "C1", "text": "hi", "thread_ts": "1.2"}, "1.2"),
    "no thread yet": ({"slack": {"threadTS": ""}}, {"channel": "C1", "text": "hi"}, "1503435956.000247"),
    "yaml": (
        {"encodingType": "yaml", "message": "blocks:\n- type: divider\nicon_emoji: ':x:'\nchannel: C3\n"},
        {"channel": "C3", "blocks": [{"type": "divider"}], "icon_emoji": ":x:"},
        "1503435956.000247",
    ),
    "json, options are ignored": (
        {"encodingType": "json", "message": '{"blocks": []}', "slack": {"channelID": "C2"}},
        {"channel": "C1"},
        "1503435956.000247",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "body", "thread"), SLACK_BODIES.values(), ids=SLACK_BODIES.keys()
)
def test_slack_gets_the_message_with_the_token(
    slack: SlackServer, config: dict[str, Any], body: dict[str, Any], thread: str
) -> None:
    result = send(
        at_channel(SLACK, BOT), slack.url, **{"channel": TO_SLACK, "message": "hi", **config}
    )
    assert slack.asked == [("/chat.postMessage", f"Bearer {TOKEN}", body)]
    assert result == StepResult(output={"slack": {"threadTS": thread}})


def refusal(reason: str) -> tuple[int, dict[str, str], Any]:
    return 200, {}, {"ok": False, "error": reason}


TERMINAL = {
    "no channel": (refusal("channel_not_found"), "Slack refused the message: channel_not_found"),
    "login": (refusal("invalid_auth"), "check the token in the channel's Connection"),
    "no JSON": ((200, {}, b"<html>"), "HTTP 200 with no JSON of its form"),
    "another form": ((404, {}, []), "HTTP 404 with no JSON of its form"),
    "nested without end": ((200, {}, b"[" * 200_000), "HTTP 200 with no JSON of its form"),
    "too much, packed": (
        (200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(2**21))),
        "127.0.0.1 sent more than 1048576 bytes",
    ),
}


@pytest.mark.parametrize(("answer", "message"), TERMINAL.values(), ids=TERMINAL.keys())
def test_what_slack_refuses_for_good_ends_the_step(
    slack: SlackServer, answer: Any, message: str
) -> None:
    slack.answers.append(answer)
    with pytest.raises(TerminalStepError, match=message) as caught:
        send(at_channel(SLACK, BOT), slack.url, channel=TO_SLACK, message="hi")
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "answer", [refusal("internal_error"), (503, {}, b"")], ids=["in the body", "by its status"]
)
def test_what_may_pass_counts_towards_the_threshold(slack: SlackServer, answer: Any) -> None:
    slack.answers.append(answer)
    with pytest.raises(RetryableStepError):
        send(at_channel(SLACK, BOT), slack.url, channel=TO_SLACK, message="hi")


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        ("30", 30),
        ("1", 10),
        ("9999", 300),
        ("9" * 400, 300),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 10),
    ],
    ids=["seconds", "too few", "too many", "without end", "a date that is over"],
)
def test_a_limit_of_slack_is_waited_out(slack: SlackServer, asked: str, wait: int) -> None:
    slack.answers.append((429, {"Retry-After": asked}, b""))
    result = send(at_channel(SLACK, BOT), slack.url, channel=TO_SLACK, message="hi")
    assert (result.status, result.output) == (StepStatus.RUNNING, None)
    assert result.retry_after is not None
    assert result.retry_after.total_seconds() == wait


def test_a_server_that_is_gone_counts_towards_the_threshold() -> None:
    with pytest.raises(RetryableStepError, match="Slack did not answer: ConnectError"):
        send(at_channel(SLACK, BOT), "http://127.0.0.1:1", channel=TO_SLACK, message="hi")


@pytest.mark.parametrize("login", [None, Credential("bot", "")], ids=["no login", "no password"])
def test_slack_needs_a_token(login: Credential | None) -> None:
    with pytest.raises(TerminalStepError, match="has no password, which would be Slack's token"):
        send(at_channel(SLACK, login), channel=TO_SLACK, message="hi")


def test_a_channel_that_cannot_be_opened_ends_the_step() -> None:
    with pytest.raises(TerminalStepError, match="there is no MessageChannel 'x'"):
        send(at_channel(SLACK, BOT), channel={**TO_SLACK, "name": "x"}, message="hi")
    with pytest.raises(TerminalStepError, match="only a promotion has a project"):
        send(context_at(Path("/nowhere")), channel=TO_SLACK, message="hi")


ENCODED = {
    "no JSON": ("json", "{", "the message is no JSON; .* needs quote"),
    "no YAML": ("yaml", "a: [", "YAML"),
    "a list": ("json", "[]", "the encoded message: message: "),
    "unknown field": ("json", '{"colour": "red"}', "the encoded message: colour: Extra inputs"),
    "deep": ("json", "[" * 100_000, "the message is no JSON"),
}


@pytest.mark.parametrize(("kind", "message", "said"), ENCODED.values(), ids=ENCODED.keys())
def test_an_encoded_message_that_cannot_be_read_says_why(
    slack: SlackServer, kind: str, message: str, said: str
) -> None:
    with pytest.raises(TerminalStepError, match=said):
        send(
            at_channel(SLACK, BOT), slack.url, channel=TO_SLACK, message=message, encodingType=kind
        )
    assert slack.asked == []


def test_a_message_that_was_sent_is_not_sent_again(slack: SlackServer) -> None:
    context = at_channel(SLACK, BOT)
    first = send(context, slack.url, channel=TO_SLACK, message="hi")
    again = replace(context, previous_output=first.output)
    assert send(again, slack.url, channel=TO_SLACK, message="hi") == first
    assert len(slack.asked) == 1


CHAT = MessageChannel.model_validate(
    {
        "name": "chat",
        "notifier": {"name": "chat", "messageArg": "text", "args": {"channel": "ops", "icons": []}},
    }
)
TO_CHAT = {"kind": "MessageChannel", "name": "chat"}
NOTIFIED = {
    "text": ({"message": "hi {{ x }}"}, {"channel": "ops", "icons": [], "text": "hi {{ x }}"}),
    "json": (
        {"encodingType": "json", "message": '{"blocks": [1], "channel": "dev"}'},
        {"channel": "dev", "icons": [], "blocks": [1]},
    ),
    "yaml": (
        {"encodingType": "yaml", "message": "text: hi", "slack": {"channelID": "C2"}},
        {"channel": "ops", "icons": [], "text": "hi"},
    ),
}


@pytest.mark.parametrize(("config", "args"), NOTIFIED.values(), ids=NOTIFIED.keys())
def test_a_notifier_gets_the_message_beside_the_channels_arguments_once(
    config: dict[str, Any], args: dict[str, Any]
) -> None:
    sent: list[tuple[str, dict[str, Any]]] = []
    context = replace(at_channel(CHAT), notify=lambda name, given: sent.append((name, dict(given))))
    result = send(context, channel=TO_CHAT, **config)
    again = send(replace(context, previous_output=result.output), channel=TO_CHAT, **config)
    assert result == again == StepResult(output={"notifier": {"name": "chat"}})
    assert sent == [("chat", args)]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"message": "hi"}, "notifier 'chat' sends in a promotion only: it needs Airflow"),
        ({"message": "[]", "encodingType": "json"}, "the encoded message: message: .* dictionary"),
    ],
    ids=["without Airflow", "no arguments"],
)
def test_what_no_notifier_can_send_says_why(config: dict[str, Any], message: str) -> None:
    with pytest.raises(TerminalStepError, match=message):
        send(at_channel(CHAT), channel=TO_CHAT, **config)


def test_a_mail_goes_to_the_channels_addresses(mail: MailServer) -> None:
    result = send(at_channel(mail_channel(mail)), channel=TO_MAIL, message="Grüße\n.\nend")
    (sent,), (envelope,) = mail.mails, mail.envelopes
    assert (sent["From"], sent["To"], sent["Cc"]) == (
        "Kargo <kargo@example.com>",
        "a@example.com",
        "b@example.com",
    )
    assert (envelope.mail_from, envelope.rcpt_tos) == (
        "kargo@example.com",
        ["a@example.com", "b@example.com"],
    )
    assert sent["Subject"] == "Promotion to shop/prod"
    assert sent.get_content_type() == "text/plain"
    assert sent.get_content().splitlines() == ["Grüße", ".", "end"]
    assert result.output == {"smtp": {"messageID": sent["Message-ID"]}}


USUAL = ["a@example.com", "b@example.com"]
SUBJECT = "Promotion to shop/prod"
MAILS = {
    "options": (
        {"message": "<b>x</b>", "smtp": {"to": "c@example.com", "subject": "Héllo", "html": True}},
        (["c@example.com"], "Héllo", "text/html", "<b>x</b>"),
    ),
    "several": (
        {"message": "x", "smtp": {"to": ["c@example.com", "d@example.com"]}},
        (["c@example.com", "d@example.com"], SUBJECT, "text/plain", "x"),
    ),
    "json": (
        {
            "encodingType": "json",
            "message": '{"subject": "s", "body": "b", "to": ["e@example.com"], "html": true}',
        },
        (["e@example.com"], "s", "text/html", "b"),
    ),
    "yaml": (
        {"encodingType": "yaml", "message": "body: b\n", "smtp": {"subject": "ignored"}},
        (USUAL, SUBJECT, "text/plain", "b"),
    ),
}


@pytest.mark.parametrize(("config", "expected"), MAILS.values(), ids=MAILS.keys())
def test_a_mail_says_what_the_config_says(
    mail: MailServer, config: dict[str, Any], expected: tuple[list[str], str, str, str]
) -> None:
    send(at_channel(mail_channel(mail)), channel=TO_MAIL, **config)
    (sent,), (envelope,) = mail.mails, mail.envelopes
    said = (sent["Subject"], sent.get_content_type(), sent.get_content().strip())
    assert (envelope.rcpt_tos, *said) == expected


@pytest.mark.parametrize(
    ("channel", "config", "message"),
    [
        ({"to": []}, {}, "the mail has no recipient"),
        ({"from": "kargo"}, {}, "'kargo' is no mail address"),
        ({}, {"smtp": {"to": "a@"}}, "'a@' is no mail address"),
        ({}, {"smtp": {"to": "a@b.c, d@e.f"}}, "is no mail address"),
        ({}, {"smtp": {"to": "a@b.c\nBcc: d@e.f"}}, "is no mail address"),
        ({}, {"encodingType": "json", "message": '{"subject": "a\\nBcc: d@e.f"}'}, "expected one line"),
    ],
    ids=["no recipient", "no sender", "no domain", "a list in a text", "a header in an address",
         "a header in a subject"],
)  # fmt: skip
def test_a_mail_that_cannot_be_made_is_not_sent(
    mail: MailServer, channel: dict[str, Any], config: dict[str, Any], message: str
) -> None:
    context = at_channel(mail_channel(mail, **channel))
    with pytest.raises(TerminalStepError, match=message):
        send(context, channel=TO_MAIL, **{"message": "x", **config})
    assert mail.mails == []


def test_a_mail_that_is_sent_again_has_the_same_id(mail: MailServer) -> None:
    context = at_channel(mail_channel(mail))
    for changed in (context, context, replace(context, alias="other")):
        send(changed, channel=TO_MAIL, message="x")
    first, second, other = (sent["Message-ID"] for sent in mail.mails)
    assert first == second != other


def test_a_recipient_that_the_server_refuses_is_logged_and_the_others_get_the_mail(
    mail: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    mail.refused["b@example.com"] = "550 no such user"
    with caplog.at_level(logging.WARNING):
        send(at_channel(mail_channel(mail)), channel=TO_MAIL, message="x")
    assert mail.envelopes[0].rcpt_tos == ["a@example.com"]
    assert "did not take the mail for b@example.com: 550 no such user" in caplog.text


@pytest.mark.parametrize(
    ("refused", "answer", "kind", "message"),
    [
        ("550 no", "250 OK", TerminalStepError, "refused every recipient: a@example.com: 550 no"),
        ("450 later", "250 OK", RetryableStepError, "a@example.com: 450 later"),
        ("", "554 spam", TerminalStepError, "refused: 554 spam"),
        ("", "451 busy", RetryableStepError, "refused: 451 busy"),
    ],
)
def test_a_refusal_is_final_where_the_server_says_so(
    mail: MailServer, refused: str, answer: str, kind: type[Exception], message: str
) -> None:
    mail.answer = answer
    if refused:
        mail.refused = {"a@example.com": refused, "b@example.com": refused}
    with pytest.raises(kind, match=message):
        send(at_channel(mail_channel(mail)), channel=TO_MAIL, message="x")


def test_a_mail_server_that_is_gone_counts_towards_the_threshold() -> None:
    with pytest.raises(RetryableStepError, match=r"127\.0\.0\.1:1 did not answer"):
        send(at_channel(mail_channel(MailServer(port=1))), channel=TO_MAIL, message="x")


def test_a_mail_server_on_this_machine_is_refused_where_the_setting_is_off(
    mail: MailServer,
) -> None:
    context = replace(at_channel(mail_channel(mail)), settings=StepSettings())
    with pytest.raises(TerminalStepError, match="allow_loopback is off"):
        send(context, channel=TO_MAIL, message="x")
    assert mail.mails == []


def test_a_login_travels_unencrypted_only_where_the_setting_is_on() -> None:
    with MailServer(user=("bot", "hunter2")) as server:
        channel = mail_channel(server)
        with pytest.raises(TerminalStepError, match="would travel unencrypted"):
            send(at_channel(channel, USER), channel=TO_MAIL, message="x")
        context = at_channel(channel, USER, allow_credentials_over_http=True)
        send(context, channel=TO_MAIL, message="x")
        assert server.envelopes[0].rcpt_tos[0] == "a@example.com"


def test_a_login_that_is_refused_ends_the_step_and_is_not_shown() -> None:
    with MailServer(user=("bot", "other")) as server:
        context = at_channel(mail_channel(server), USER, allow_credentials_over_http=True)
        with pytest.raises(TerminalStepError, match="refused the login: 535") as caught:
            send(context, channel=TO_MAIL, message="x")
    assert "hunter2" not in str(caught.value)


def test_starttls_is_used_and_its_certificate_checked(tmp_path: Path) -> None:
    authority, tls = private_authority(tmp_path)
    login = replace(USER, ca_certificate=authority)
    with MailServer(user=("bot", "hunter2"), tls=tls) as server:
        channel = mail_channel(server, useTLS=True)
        send(at_channel(channel, login), channel=TO_MAIL, message="x")
        with pytest.raises(TerminalStepError, match=r"self.signed|unable to get local issuer"):
            send(at_channel(channel, USER), channel=TO_MAIL, message="x")
        skipping = mail_channel(server, useTLS=True, insecureSkipVerify=True)
        send(at_channel(skipping, USER), channel=TO_MAIL, message="x")
        assert server.encrypted == [True, True]


def test_a_server_without_tls_gets_no_mail_where_tls_is_wanted(mail: MailServer) -> None:
    context = at_channel(mail_channel(mail, useTLS=True))
    with pytest.raises(TerminalStepError, match="cannot do what is needed: STARTTLS"):
        send(context, channel=TO_MAIL, message="x")
    assert mail.mails == []


def test_the_example_of_send_message_begins_a_thread(slack: SlackServer) -> None:
    send(at_channel(SLACK, BOT), slack.url, **example_config("send-message"))
    ((_, _, body),) = slack.asked
    assert body == {"channel": "C1", "text": f"{FREIGHT.alias} goes to dev"}
