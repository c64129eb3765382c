"""The subscription kind dag-bundle: a DAG bundle of an Airflow, by the version at which its DAGs were parsed last."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator

from cachetools import FIFOCache
from pydantic import Field, field_validator

from airfreight.artifacts.dag_bundle import AirflowClient, airflow_client
from airfreight.sources.base import Access, Rejected
from airfreight.sources.egress import egress_of, server_url
from airfreight.sources.kind import ArtifactVersion, SubscriptionConfig, SubscriptionKind

_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_KEPT = 1000  # versions whose link is known, so that a poll that finds one again asks for none


class DagBundleConfig(SubscriptionConfig):
    """`bundle` is the name that the Airflow's configuration gives it."""

    airflow_url: str = Field(alias="airflowURL", max_length=2000)
    bundle: str = Field(min_length=1, max_length=250)

    @field_validator("airflow_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        return server_url(url)


class DagBundleKind(SubscriptionKind[DagBundleConfig]):
    """The version that the bundle has now; Airflow shows no earlier one, so there is one artifact."""

    kind = "dag-bundle"
    config_type = DagBundleConfig

    def __init__(self) -> None:
        self._links: FIFOCache[tuple[str, str, str], str] = FIFOCache(_KEPT)

    def url(self, config: DagBundleConfig) -> str:
        """Return the Airflow."""
        return config.airflow_url

    async def versions(
        self, config: DagBundleConfig, access: Access
    ) -> AsyncGenerator[ArtifactVersion | Rejected]:
        """Ask for the bundle's DAGs, and for the link of a version that was not seen before."""
        async with airflow_client(egress_of(access), config.airflow_url) as airflow:
            state = await airflow.bundle(config.bundle)
            link = await self._link(airflow, config, state.version)
        yield ArtifactVersion(
            version=state.version,
            name=config.bundle,
            link=link,
            digest=state.version if _COMMIT.fullmatch(state.version) else "",
            undated="Airflow does not tell when a bundle got a version",
        )
        for version, dags in state.behind.items():
            rule = f"{dags} of {state.dags} DAGs were not parsed at a newer one yet"
            yield Rejected(version or "no version", rule)

    async def _link(self, airflow: AirflowClient, config: DagBundleConfig, version: str) -> str:
        key = (config.airflow_url, config.bundle, version)
        if key not in self._links:
            link = await airflow.link(config.bundle, version)
            if not link:  # Airflow writes it down some time after the version
                return config.airflow_url
            self._links[key] = link
        return self._links[key]
