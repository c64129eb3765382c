"""Discovers what a Warehouse would make Freight of, and registers it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Asset, BaseSensorOperator, Context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from airfreight.errors import AuthenticationError, ExpressionError, RefusedError, SettingsError
from airfreight.hooks.configuration import read_settings
from airfreight.hooks.repository import ConnectionCredentials
from airfreight.hooks.state_store import AssetStateStore
from airfreight.model.connections import ConnectionIds
from airfreight.model.freight import Freight, FreightContent
from airfreight.model.project import RepositoryCredential
from airfreight.model.warehouse import Warehouse
from airfreight.runtime.assembly import Assembly, read_assembly
from airfreight.runtime.criteria import why_no_freight
from airfreight.runtime.discovery import Discovery, content_of, discover
from airfreight.runtime.sightings import as_data, describe
from airfreight.runtime.stage_register import StageRegister
from airfreight.runtime.warehouse_register import WarehouseRegister
from airfreight.runtime.watch import HANDLED, Handled
from airfreight.sources.catalogue import source_of


class FreightSensor(BaseSensorOperator):
    """Looks once at the Warehouse's repositories and returns the Freight where it has no pipeline run yet.

    A run that finds nothing new ends as skipped. In a backfill it registers what the Warehouse would have produced at
    the run's logical date, by the artifacts' creation times; `discoveredAt` is that date, so that Freight of the past
    never overtakes what was found live. A person's run may choose the artifacts (`runtime.assembly`).

    :param warehouse: the Warehouse.
    :param connections: the Connections that the project may use.
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
        connections: ConnectionIds,
        credentials: tuple[RepositoryCredential, ...],
        register: Asset,
        watch: Asset,
        stages: tuple[Asset, ...],
        problems: tuple[str, ...] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.warehouse = warehouse
        self.connections = connections
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
        try:
            return self._look(context)
        except (AuthenticationError, SettingsError, ExpressionError) as error:
            raise AirflowFailException(str(error)) from error
        except RefusedError as error:
            raise AirflowFailException(f"refused: {error}") from error

    def _look(self, context: Context) -> dict[str, Any]:
        as_of = _backfilled_date(context)
        assembly = read_assembly(context["dag_run"].conf or {})
        found = self._discover(as_of, limit=None if assembly else 1)
        for line in describe(found):
            self.log.info(line)
        self.log.info("The watchers look again within %s", self.warehouse.interval)
        if assembly is not None:
            return self._assemble(assembly, found, context)
        context["ti"].xcom_push(key=HANDLED, value=self._handled(found).to_json())
        if self.warehouse.freight_creation_policy == "Manual":
            self._mark_handled(found, as_of, context)
            raise AirflowSkipException("the Warehouse makes no Freight by itself")
        self._check_whether_to_create(found, as_of, context)
        content = self._content([newest.artifact for newest in found.newest])
        return self._register(content, found, as_of, context)

    def _discover(self, as_of: datetime | None, limit: int | None) -> Discovery:
        finder = ConnectionCredentials(self.connections, self.credentials)
        sources = [source_of(subscription) for subscription in self.warehouse.subscriptions]
        return asyncio.run(discover(sources, finder.access, as_of=as_of, limit=limit))

    def _content(self, artifacts: list[Any]) -> FreightContent:
        return content_of(self.warehouse.origin, artifacts)

    def _check_whether_to_create(
        self, found: Discovery, as_of: datetime | None, context: Context
    ) -> None:
        """End the task where no Freight comes of what was found: skipped, or failed where the criteria cannot say."""
        try:
            limits = read_settings().expression_limits()
            reason = why_no_freight(self.warehouse, found, limits)
        except ExpressionError:
            self._mark_handled(found, as_of, context, looked_at=datetime.now(UTC))
            raise
        if reason:
            self._mark_handled(found, as_of, context, looked_at=datetime.now(UTC))
            raise AirflowSkipException(f"no Freight: {reason}")

    def _assemble(self, assembly: Assembly, found: Discovery, context: Context) -> dict[str, Any]:
        chosen = found.chosen(assembly.versions)
        content = self._content([one.artifact for one in chosen])
        register = WarehouseRegister(AssetStateStore(context, self.register))
        now = datetime.now(UTC)
        freight, _ = register.register(content, now, by_hand=not assembly.promote)
        self._announce(freight, found, context)
        if not assembly.promote:
            self.log.info("Freight %s is put together; promote it by its name", freight.alias)
        return freight.to_json()

    def _register(
        self, content: FreightContent, found: Discovery, as_of: datetime | None, context: Context
    ) -> dict[str, Any]:
        register = WarehouseRegister(AssetStateStore(context, self.register))
        now = datetime.now(UTC)
        freight, is_new = register.register(
            content, as_of or now, registered_at=now if as_of is not None else None
        )
        if not is_new and (as_of is not None or register.run_of(freight.name) is not None):
            self._mark_handled(found, as_of, context)
            raise AirflowSkipException(f"nothing new: {freight.alias} is the newest")
        self._trim(register, context)
        self._announce(freight, found, context)
        return freight.to_json()

    def _mark_handled(
        self,
        found: Discovery,
        as_of: datetime | None,
        context: Context,
        looked_at: datetime | None = None,
    ) -> None:
        """Tell the watchers, unless this look was at the past."""
        if as_of is None:
            handled = self._handled(found, looked_at).to_json()
            AssetStateStore(context, self.watch).set(HANDLED, handled)

    def _handled(self, found: Discovery, looked_at: datetime | None = None) -> Handled:
        marks = dict(found.seen)
        return Handled(spec=self.warehouse.digest, marks=marks, looked_at=looked_at)

    def _announce(self, freight: Freight, found: Discovery, context: Context) -> None:
        self.log.info("Freight %s is %s", freight.alias, freight.name)
        next_look = datetime.now(UTC) + self.warehouse.interval
        extra: dict[str, Any] = {
            "freight": freight.to_json(),
            "discovered": as_data(found),
            "nextLook": next_look.isoformat(timespec="seconds"),
        }
        for alias in self.outlets:
            context["outlet_events"][alias].add(self.register, extra=extra)

    def _trim(self, register: WarehouseRegister, context: Context) -> None:
        stages = [StageRegister(AssetStateStore(context, asset)) for asset in self.stages]
        origin = self.warehouse.origin.key
        in_use = {name for stage in stages for name in stage.freight_in_use(origin)}
        for name in register.trim(in_use, datetime.now(UTC)):
            self.log.info("Freight %s is old and unused, and is forgotten", name)


def _backfilled_date(context: Context) -> datetime | None:
    run = context["dag_run"]
    return run.logical_date if run.run_type.value == "backfill" else None
