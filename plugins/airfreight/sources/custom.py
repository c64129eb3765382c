"""All kinds of generic subscriptions: built-in ones and those of other packages' entry points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from airfreight.model.kinds import EntryPoint, KindRegistry
from airfreight.sources.dag_bundle import DagBundleKind
from airfreight.sources.dbt_project import DbtProjectKind
from airfreight.sources.kind import SubscriptionConfig, SubscriptionKind
from airfreight.sources.mlflow_model import MlflowModelKind
from airfreight.sources.object import ObjectKind
from airfreight.sources.pypi import PypiKind

GROUP = "airfreight.subscriptions"


@dataclass(frozen=True, order=True)
class CustomSubscription(EntryPoint[SubscriptionKind[Any]]):
    """One entry point: the kind's name, and its class as ``package.module:Class``."""

    noun = "subscription kind"
    base = SubscriptionKind
    config_base = SubscriptionConfig


class SubscriptionRegistry(KindRegistry[SubscriptionKind[Any]]):
    """Finds a subscription kind by the name that manifests use."""

    noun = "subscription kind"


def builtin_kinds() -> tuple[SubscriptionKind[Any], ...]:
    """Return one of each kind that comes with Airfreight."""
    return (DagBundleKind(), DbtProjectKind(), MlflowModelKind(), ObjectKind(), PypiKind())


@cache
def subscription_registry() -> SubscriptionRegistry:
    """Return the registry of this installation; once for a process, as that of steps."""
    points = entry_points(group=GROUP)
    found = frozenset(CustomSubscription(point.name, point.value) for point in points)
    return SubscriptionRegistry(builtin_kinds(), found)
