"""MLflow's REST API 2.0, as far as registered models and their versions go."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from airfreight.artifacts.documents import MIB, DocumentClient
from airfreight.errors import ArtifactError, NotFoundError

READY = "READY"
_ANSWER_BYTES = 16 * MIB
_PAGE_SIZE = 1000
_PAGES = 50
_HIDDEN_OR_MISSING = (400, 404)  # what servers answer for an alias that a model does not have


@dataclass(frozen=True)
class ModelVersion:
    """A version of a registered model; `status` is READY once its files are there."""

    number: int
    status: str
    created_at: datetime | None


class MlflowClient:
    """Asks the server at `tracking_url`; raises ArtifactError or what derives from it."""

    def __init__(self, client: DocumentClient, tracking_url: str) -> None:
        self._client = client
        self._url = tracking_url

    async def version_of_alias(self, model: str, alias: str) -> ModelVersion:
        """Return the version that `alias` of `model` points to; raises NotFoundError where it points to none."""
        try:
            document = await self._ask(
                "registered-models/alias", {"name": model, "alias": alias}, _HIDDEN_OR_MISSING
            )
        except NotFoundError:
            raise NotFoundError(
                f"{self._url} has no model {model!r} with an alias {alias!r}"
            ) from None
        return self._read(document.get("model_version"))

    async def versions(self, model: str) -> list[ModelVersion]:
        """Return all versions of `model`, newest first; none where there is no such model."""
        escaped = model.replace("'", "''")
        query = {"filter": f"name='{escaped}'", "max_results": str(_PAGE_SIZE)}
        found: list[ModelVersion] = []
        for _ in range(_PAGES):
            document = await self._ask("model-versions/search", query)
            entries = document.get("model_versions") or []
            if not isinstance(entries, list):
                raise self._odd()
            found += map(self._read, entries)
            token = document.get("next_page_token")
            if not token:
                return sorted(found, key=lambda version: version.number, reverse=True)
            query["page_token"] = str(token)
        raise ArtifactError(
            f"{self._url}: model {model!r} has more than {_PAGES} pages of versions"
        )

    async def _ask(
        self, call: str, query: Mapping[str, str], missing: tuple[int, ...] = (404,)
    ) -> dict[str, Any]:
        url = f"{self._url}/api/2.0/mlflow/{call}"
        document = await self._client.get(
            url, limit=_ANSWER_BYTES, query=urlencode(query), missing=missing
        )
        answer = await asyncio.to_thread(document.json, _ANSWER_BYTES) if document else None
        if not isinstance(answer, dict):
            raise self._odd()
        return answer

    def _read(self, entry: Any) -> ModelVersion:
        try:
            stamp = entry.get("creation_timestamp")
            created = datetime.fromtimestamp(int(stamp) / 1000, UTC) if stamp else None
            return ModelVersion(int(entry["version"]), str(entry.get("status", READY)), created)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, OSError):
            raise self._odd() from None

    def _odd(self) -> ArtifactError:
        return ArtifactError(f"{self._url} does not answer as MLflow's REST API 2.0 does")


def model_page(tracking_url: str, model: str) -> str:
    """Return where people see a model."""
    return f"{tracking_url}/#/models/{quote(model, safe='')}"
