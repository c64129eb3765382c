"""Discovers what a Warehouse would make Freight of, and registers it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Asset, BaseSensorOperator, Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from airfreight.errors import AuthenticationError, SettingsError
from airfreight.hooks.configuration import read_settings
from airfreight.hooks.repository import ConnectionCredentials
from airfreight.hooks.state_store import AssetStateStore
from airfreight.model.project import RepositoryCredential
from airfreight.model.warehouse import Warehouse
from airfreight.runtime.discovery import Discovery, discover
from airfreight.runtime.stage_register import StageRegister
from airfreight.runtime.warehouse_register import WarehouseRegister
from airfreight.runtime.watch import HANDLED


class WarehouseSensor(BaseSensorOperator):
    """Looks once at the Warehouse's repositories and returns the Freight where it has no pipeline run yet.

    A run that finds nothing new ends as skipped. In a backfill it registers what the Warehouse would have produced at
    the run's logical date, by the artifacts' creation times; `discoveredAt` is that date, so that Freight of the past
    never overtakes what was found live.

    :param warehouse: the Warehouse.
    :param project: the project's name.
    :param credentials: the project's credentials, of which the first that names the repository opens it.
    :param register: the asset whose state store is the Warehouse's register.
    :param stages: the assets of the Stages that the Warehouse feeds; what they hold, promote or ask about is kept.
    :param watch: the asset that the Warehouse's watcher emits.
    :param problems: what is wrong with the Warehouse's manifest, one located line each; the task fails with them.
    """

    def __init__(
        self,
        *,
        warehouse: Warehouse,
        project: str,
        credentials: tuple[RepositoryCredential, ...],
        register: Asset,
        watch: Asset,
        stages: tuple[Asset, ...],
        problems: tuple[str, ...] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.warehouse = warehouse
        self.project = project
        self.credentials = credentials
        self.register = register
        self.watch = watch
        self.stages = stages
        self.problems = problems

    def execute(self, context: Context) -> dict[str, Any]:
        """Return the Freight: name, alias, origin, discoveredAt, artifacts."""
        if self.problems:
            listed = "\n".join(self.problems)
            raise AirflowFailException(f"Warehouse {self.warehouse.name} is disabled:\n{listed}")
        as_of = _backfilled_date(context)
        try:
            found = self._discover(as_of)
        except (AuthenticationError, SettingsError) as error:
            raise AirflowFailException(str(error)) from error
        context["ti"].xcom_push(key=HANDLED, value=dict(found.seen))
        if self.warehouse.freight_creation_policy == "Manual":
            raise AirflowSkipException("the Warehouse makes no Freight by itself")
        return self._register(found, as_of, context)

    def _discover(self, as_of: datetime | None) -> Discovery:
        finder = ConnectionCredentials(self.project, self.credentials)
        return asyncio.run(
            discover(
                self.warehouse,
                finder.find,
                allow_credentials_over_http=read_settings().allow_credentials_over_http,
                as_of=as_of,
            )
        )

    def _register(
        self, found: Discovery, as_of: datetime | None, context: Context
    ) -> dict[str, Any]:
        register = WarehouseRegister(AssetStateStore(context, self.register))
        if found.content is None:
            raise AirflowSkipException(f"no Freight: {found.reason}")
        freight, is_new = register.register(found.content, as_of or datetime.now(UTC))
        if not is_new and (as_of is not None or register.run_of(freight.name) is not None):
            if as_of is None:
                AssetStateStore(context, self.watch).set(HANDLED, dict(found.seen))
            raise AirflowSkipException(f"nothing new: {freight.alias} is the newest")
        self.log.info("Freight %s is %s", freight.alias, freight.name)
        self._trim(register, context)
        content = freight.to_json()
        for alias in self.outlets:
            context["outlet_events"][alias].add(self.register, extra={"freight": content})
        return content

    def _trim(self, register: WarehouseRegister, context: Context) -> None:
        stages = [StageRegister(AssetStateStore(context, asset)) for asset in self.stages]
        origin = self.warehouse.origin.key
        in_use = {name for stage in stages for name in stage.freight_in_use(origin)}
        for name in register.trim(in_use, datetime.now(UTC)):
            self.log.info("Freight %s is old and unused, and is forgotten", name)


def _backfilled_date(context: Context) -> datetime | None:
    run = context["dag_run"]
    return run.logical_date if run.run_type.value == "backfill" else None
