"""Waits in a hand-written DAG for what a subscription takes, with the clients of the Warehouses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any, NoReturn

from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue
from airflow.sdk.exceptions import AirflowFailException

from airfreight.errors import AirfreightError, AuthenticationError, Problem, SettingsError
from airfreight.hooks.configuration import read_settings
from airfreight.hooks.repository import RepositoryHook, access_of
from airfreight.manifests.warehouses import read_subscription
from airfreight.model.subscription import Subscription
from airfreight.runtime.discovery import find_news
from airfreight.runtime.token_connections import Repository
from airfreight.sources.catalogue import source_of
from airfreight.triggers.artifact import ArtifactTrigger


class WarehouseSensor(BaseSensorOperator):
    """Waits until a subscription takes another artifact than `after`, and returns the artifact as a Freight lists it.

    A Warehouse's own DAG needs none of it: there a watcher waits while no run is open, and `FreightSensor` looks once.

    :param subscription: an entry of `spec.subscriptions` as a manifest has it, such as
        ``{"image": {"repoURL": "ghcr.io/acme/shop"}}``.
    :param repository_conn_id: id of the Connection that opens the repository; empty for an anonymous visit.
    :param after: version (tag, commit, chart's version) that is known already, ``tag@digest`` for a tag that moves;
        empty: the first look may find it.
    :param deferrable: wait in the triggerer instead of a worker.
    """

    template_fields: Sequence[str] = ("after",)

    def __init__(
        self,
        *,
        subscription: dict[str, Any],
        repository_conn_id: str = "",
        after: str = "",
        deferrable: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.subscription = subscription
        self.repository_conn_id = repository_conn_id
        self.after = after
        self.deferrable = deferrable

    def execute(self, context: Context) -> Any:
        """Return the artifact, or wait for it."""
        if not self.deferrable:
            return super().execute(context)
        found = self.poke(context)
        return found.xcom_value if found else self._defer()

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:  # noqa: ARG002 Airflow's call
        """Return the artifact that the trigger saw."""
        if "error" in event:
            raise AirflowFailException(event["error"])
        return event["artifact"]

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002 Airflow's call
        """Look once; a repository that is down is looked at again."""
        try:
            artifact = asyncio.run(self._look())
        except (AuthenticationError, SettingsError) as error:
            raise AirflowFailException(str(error)) from error
        except AirfreightError as error:
            self.log.warning("%s; asked again in %g s", error, self.poke_interval)
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=artifact is not None, xcom_value=artifact)

    async def _look(self) -> dict[str, Any] | None:
        source = source_of(self._wanted)
        repository = Repository(source.credential_kind, source.credential_url, project="")
        credential = RepositoryHook(self.repository_conn_id, repository).get_conn()
        return await find_news(source, access_of(credential, read_settings()), self.after)

    @cached_property
    def _wanted(self) -> Subscription:
        """What the manifest's form means; what it warns of is logged once."""
        subscription, problems = read_subscription(self.subscription)
        told = [_told(problem) for problem in problems]
        if subscription is None:
            raise AirflowFailException("; ".join(told))
        for warning in told:
            self.log.warning("%s", warning)
        return subscription

    def _defer(self) -> NoReturn:
        self.defer(
            trigger=ArtifactTrigger(
                subscription=self._wanted.model_dump(
                    mode="json", by_alias=True, exclude_defaults=True
                ),
                repository_conn_id=self.repository_conn_id,
                after=self.after,
                poke_interval=self.poke_interval,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )
        raise AssertionError("defer does not return")


def _told(problem: Problem) -> str:
    field = problem.field.replace("spec.subscriptions[0]", "subscription", 1)
    return f"{field}: {problem.message}" + (f" ({problem.hint})" if problem.hint else "")
