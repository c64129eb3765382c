"""Notifiers of Airflow as message channels: the deployment says which, manifests give arguments, which are data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from airflow.sdk import BaseNotifier, Context
from airflow.sdk.exceptions import AirflowFailException

from airfreight.errors import TerminalStepError
from airfreight.hooks.allowed_classes import AllowedClasses, cause, passing_failure
from airfreight.model.connections import ConnectionIds
from airfreight.steps.base import StepLog


class NotifierRunner:
    """Sends by notifiers within the task of a promotion.

    :param allowed: name → import path, as the deployment set it.
    :param ids: the Connections that notifiers may use.
    """

    def __init__(
        self, allowed: Mapping[str, str], ids: ConnectionIds, context: Context, log: StepLog
    ) -> None:
        self._notifiers = AllowedClasses[BaseNotifier]("notifier", BaseNotifier, allowed, ids)
        self._context = context
        self._log = log

    def notify(self, name: str, args: Mapping[str, Any]) -> None:
        """Send by the notifier of this name; raises TerminalStepError or RetryableStepError."""
        notifier = self._notifiers.make(name, args)
        if type(notifier).notify is BaseNotifier.notify:
            raise TerminalStepError(
                f"setting [airfreight] notifiers: {name} has no method notify, by which tasks send"
            )
        try:
            # Not by calling it: that renders its fields as Jinja, and a commit's message may be in them.
            notifier.notify(cast("Context", {**self._context}))
        except AirflowFailException as error:
            raise TerminalStepError(f"{name} failed: {cause(error)}", failed=True) from None
        except Exception as error:
            raise passing_failure(name, error, self._log) from None
