"""The subscription kind mlflow-model: a registered model of an MLflow server."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from pydantic import Field, field_validator

from airfreight.artifacts.documents import document_client
from airfreight.artifacts.mlflow import READY, MlflowClient, ModelVersion, model_page
from airfreight.sources.base import Access, Rejected
from airfreight.sources.egress import egress_of, server_url
from airfreight.sources.kind import ArtifactVersion, SubscriptionConfig, SubscriptionKind


class MlflowModelConfig(SubscriptionConfig):
    """Without an `alias` the newest version that is ready is taken."""

    tracking_url: str = Field(alias="trackingURL")
    model: str = Field(min_length=1, max_length=255)
    alias: str = Field(default="", max_length=255)

    @field_validator("tracking_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        return server_url(url)


class MlflowModelKind(SubscriptionKind[MlflowModelConfig]):
    """The version behind an alias, or all versions whose status is READY, newest first."""

    kind = "mlflow-model"
    config_type = MlflowModelConfig

    def url(self, config: MlflowModelConfig) -> str:
        """Return the model's page."""
        return model_page(config.tracking_url, config.model)

    def credential_url(self, config: MlflowModelConfig) -> str:
        """Return the server."""
        return config.tracking_url

    async def versions(
        self, config: MlflowModelConfig, access: Access
    ) -> AsyncGenerator[ArtifactVersion | Rejected]:
        """Ask for the alias, or for all versions."""
        async with document_client(egress_of(access)) as client:
            mlflow = MlflowClient(client, config.tracking_url)
            if config.alias:
                found = [await mlflow.version_of_alias(config.model, config.alias)]
            else:
                found = await mlflow.versions(config.model)
        for version in found:
            if version.status == READY:
                yield self._artifact(config, version)
            else:
                yield Rejected(str(version.number), f"its status is {version.status[:100]}")

    def _artifact(self, config: MlflowModelConfig, version: ModelVersion) -> ArtifactVersion:
        moved = "MLflow does not tell when an alias was moved"
        return ArtifactVersion(
            version=str(version.number),
            name=config.model,
            link=f"{self.url(config)}/versions/{version.number}",
            created_at=None if config.alias else version.created_at,
            undated=moved if config.alias else "MLflow does not tell when it was registered",
        )
