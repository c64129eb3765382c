"""Notifiers that send within a promotion, without an Airflow around them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.log import mask_secret

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.hooks.notifier_runner import NotifierRunner
from airfreight.model.connections import ConnectionIds
from tests.hooks.notifiers import ChatNotifier

HERE = "tests.hooks.notifiers"
ALLOWED = {
    "chat": f"{HERE}.ChatNotifier",
    "default": f"{HERE}.DefaultNotifier",
    "ending": f"{HERE}.EndingNotifier",
    "later": f"{HERE}.LaterNotifier",
    "gone": f"{HERE}.Gone",
    "nowhere": "tests.hooks.nowhere.Notifier",
    "operator": "tests.hooks.operators.EchoOperator",
}


@pytest.fixture
def sent() -> Iterator[list[tuple[Any, ...]]]:
    yield ChatNotifier.sent
    ChatNotifier.sent.clear()


def notify(name: str, allowed: dict[str, str] | None = None, **args: Any) -> None:
    context: Any = {"ti": SimpleNamespace(task_id="prod.promote"), "conn": {"x": "hunter2"}}
    known = ALLOWED if allowed is None else allowed
    runner = NotifierRunner(known, ConnectionIds("shop"), context, logging.getLogger("t"))
    runner.notify(name, args)


@pytest.mark.parametrize(
    "text", ["{{ 7 * 7 }}", "fix {{ conn.x }}", "{% for a in b %}", "{{ ti.task_id }}", "notes.txt"]
)
def test_a_message_is_sent_with_the_tasks_context_and_is_no_template(sent, text, caplog):
    notify("chat", text=text, channel=text)
    assert sent == [(text, text, "prod.promote")]
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("slack", {}, "notifier 'slack' is not allowed: .* notifiers allows chat, default"),
        ("chat", {"text": "hi", "body": 1}, "chat takes no body; it takes channel, chat_conn_id, text"),
        ("chat", {"text": "hi", "context": {}}, "chat takes no context"),
        ("chat", {}, "args: chat does not take them: .*'text'"),
        ("chat", {"text": "hi", "chat_conn_id": "airfreight_bank_chat"}, "args: chat_conn_id: project shop"),
        ("default", {"text": "hi"}, "args: chat_conn_id: project shop may not use .*'chat_default'"),
        ("gone", {}, "notifiers: gone is tests.hooks.notifiers.Gone, which cannot be imported"),
        ("nowhere", {}, "which cannot be imported"),
        ("operator", {}, "operator is tests.hooks.operators.EchoOperator, which is no notifier"),
        ("later", {}, "later has no method notify"),
    ],
    ids=["not allowed", "unknown", "the context", "missing", "another project's Connection", "a default Connection",
         "no such class", "no such module", "an operator", "asynchronous only"],
)  # fmt: skip
def test_what_is_not_allowed_or_not_understood_is_not_sent(sent, name, args, message):
    with pytest.raises(TerminalStepError, match=message):
        notify(name, **args)
    assert sent == []


def test_where_the_deployment_names_no_notifier_none_is_allowed():
    with pytest.raises(TerminalStepError, match=r"the setting .airfreight. notifiers names none"):
        notify("chat", {}, text="hi")


@pytest.mark.parametrize(
    ("end", "error", "message"),
    [
        ("fail", TerminalStepError, "ending failed: wrong"),
        ("error", RetryableStepError, "ending failed: busy"),
        ("foreign", RetryableStepError, "ending raised ValueError; the log of the task has its text"),
        ("secret", RetryableStepError, r"ending failed: cannot log in with \*\*\*"),
    ],
)  # fmt: skip
def test_a_notifier_that_raises_is_an_error_of_the_step_that_shows_no_secret(end, error, message):
    mask_secret("hunter-22-hunter")
    with pytest.raises(error, match=message) as ended:
        notify("ending", end=end)
    assert "s3cret" not in str(ended.value)
