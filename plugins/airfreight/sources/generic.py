"""Generic subscriptions: each kind says what there is; what they share is here."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Hashable, Iterator
from contextlib import aclosing
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from airfreight.errors import AirfreightError, ArtifactError, SettingsError
from airfreight.model.expectations import expectation, follows
from airfreight.model.freight import GenericArtifact
from airfreight.model.subscription import GenericSubscription
from airfreight.model.suggestions import suggest
from airfreight.sources.backoff import Backoff
from airfreight.sources.base import Access, Discovered, Fault, Found, Rejected
from airfreight.sources.custom import SubscriptionRegistry
from airfreight.sources.kind import ArtifactVersion, SubscriptionKind

_WATCHED = Backoff()


def check(subscription: GenericSubscription, kinds: SubscriptionRegistry) -> Iterator[Fault]:
    """Yield what is wrong with a subscription: its kind, and its config by the kind's own model."""
    kind = kinds.find(subscription.kind)
    if kind is None:
        yield Fault((), kinds.explain_unknown(subscription.kind))
        return
    try:
        _read_config(kind, subscription.config)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        yield from (_fault(kind, details) for details in errors if not follows(details, errors))
    except Exception as error:
        message = f"the check of its config raised {type(error).__name__}"
        yield Fault(("config",), message, "this is a fault of the kind")


def _read_config(kind: SubscriptionKind[Any], config: dict[str, Any]) -> Any:
    return kind.config_type.model_validate(config, by_alias=True, by_name=False)


def _fault(kind: SubscriptionKind[Any], details: ErrorDetails) -> Fault:
    place = ("config", *details["loc"])
    if details["type"] != "extra_forbidden":
        return Fault(place, *expectation(details, show=False))
    fields = [info.alias or name for name, info in kind.config_type.model_fields.items()]
    message = f"subscription kind {kind.kind!r} has no such field"
    return Fault(place, message, suggest(str(place[-1]), fields))


def _told(subscription: GenericSubscription, fault: Fault) -> str:
    place = ".".join(str(part) for part in (subscription.kind, *fault.field))
    return f"{place}: {fault.message}" if fault.field else fault.message


class GenericSource:
    """A generic subscription; `name` is the subscription's own. Raises SettingsError where `check` finds a fault."""

    def __init__(
        self,
        subscription: GenericSubscription,
        name: str,
        kinds: SubscriptionRegistry,
        *,
        backoff: Backoff = _WATCHED,
    ) -> None:
        kind = kinds.find(subscription.kind)
        faults = [_told(subscription, fault) for fault in check(subscription, kinds)]
        if kind is None or faults:
            raise SettingsError("; ".join(faults))
        self._kind = kind
        self._config = _read_config(kind, subscription.config)
        self.name = name
        self.discovery_limit = subscription.discovery_limit
        self._backoff = backoff

    @property
    def url(self) -> str:
        """What it looks at, and the subscription's name: a Warehouse may look there more than once."""
        return f"{self._kind.url(self._config)} {self.name}"

    @property
    def credential_url(self) -> str:
        """Where it looks, as credentials name it."""
        return self._kind.credential_url(self._config)

    @property
    def credential_kind(self) -> str:
        """The credentials that open it."""
        return self._kind.credential_kind

    def stream_key(self) -> Hashable:
        """Return kind and config: a poll is of one rule."""
        config = self._config.model_dump(mode="json", by_alias=True)
        return "generic", self._kind.kind, json.dumps(config, sort_keys=True)

    async def poll(self, access: Access) -> Any:
        """Return the best version; empty where there is none."""
        key = (self.stream_key(), access.credential)
        most = access.settings.repository_backoff
        async with (
            self._backoff.attempt(key, most=most),
            aclosing(self._versions(access)) as versions,
        ):
            async for one in versions:
                if isinstance(one, ArtifactVersion):
                    return one.version
        return ""

    async def mark(self, seen: Any, access: Access) -> str:  # noqa: ARG002 the protocol's shape
        """Return what the poll saw."""
        return str(seen)

    async def discover(self, access: Access, *, limit: int, as_of: datetime | None) -> Found:
        """Return the best versions, as artifacts whose metadata are name, digest and link."""
        limit = min(limit, self.discovery_limit)
        found: list[Discovered] = []
        rejected: list[Rejected] = []
        mark = ""
        async with aclosing(self._versions(access)) as versions:
            async for one in versions:
                if isinstance(one, Rejected):
                    rejected.append(one)
                    continue
                mark = mark or one.version
                if self._existed(one, as_of):
                    found.append(Discovered(self._artifact(one), one.created_at))
                elif as_of:
                    rejected.append(Rejected(one.version, f"made after {as_of.isoformat()}"))
                if len(found) == limit:
                    break
        return Found(tuple(found), mark, tuple(rejected))

    def _existed(self, version: ArtifactVersion, as_of: datetime | None) -> bool:
        if as_of is None:
            return True
        if version.created_at is None:
            raise ArtifactError(
                f"{self.url}: nobody can know whether version {version.version} was there at "
                f"{as_of.isoformat()}: {version.undated}"
            )
        return version.created_at <= as_of

    def _artifact(self, version: ArtifactVersion) -> GenericArtifact:
        told = {"name": version.name, "digest": version.digest, "link": version.link}
        return GenericArtifact(
            artifact_type=self._kind.kind,
            subscription_name=self.name,
            version=version.version,
            metadata={key: value for key, value in told.items() if value},
        )

    async def _versions(self, access: Access) -> AsyncGenerator[ArtifactVersion | Rejected]:
        try:
            async with aclosing(self._kind.versions(self._config, access)) as versions:
                async for one in versions:
                    yield one
        except AirfreightError:
            raise
        except Exception as error:
            raise ArtifactError(
                f"subscription kind {self._kind.kind!r} raised {type(error).__name__}: "
                "this is a fault of the kind"
            ) from error
