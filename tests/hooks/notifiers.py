"""Notifiers for the tests of the step send-message, found by their import paths."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseNotifier, Context

from tests.hooks.operators import ENDS


class ChatNotifier(BaseNotifier):
    """Keeps what it sends; its fields are templates, as those of Airflow's own notifiers are."""

    template_fields = ("text", "channel")
    template_ext = (".txt",)
    sent: list[tuple[Any, ...]] = []

    def __init__(
        self,
        *,
        text: str,
        channel: str = "general",
        chat_conn_id: str = "airfreight_shared_chat",
        **kwargs: Any,
    ) -> None:
        self.text = text
        self.channel = channel
        self.chat_conn_id = chat_conn_id
        super().__init__(**kwargs)

    def notify(self, context: Context) -> None:
        self.sent.append((self.text, self.channel, context["ti"].task_id))


class DefaultNotifier(ChatNotifier):
    """Has a Connection of its own that no project may use."""

    def __init__(self, *, chat_conn_id: str = "chat_default", **kwargs: Any) -> None:
        super().__init__(chat_conn_id=chat_conn_id, **kwargs)


class EndingNotifier(BaseNotifier):
    """Raises what `end` names."""

    def __init__(self, *, end: str) -> None:
        super().__init__()
        self.end = end

    def notify(self, context: Context) -> None:
        raise ENDS[self.end]


class LaterNotifier(BaseNotifier):
    """Sends from an event loop only."""

    async def async_notify(self, context: Context) -> None:
        raise AssertionError("tasks have no event loop")
