"""Every type of subscription that Warehouses know."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from airfreight.model.subscription import Subscription
from airfreight.sources import charts, generic, git, images
from airfreight.sources.base import Fault, Source
from airfreight.sources.custom import subscription_registry


def source_of(subscription: Subscription) -> Source:
    """Return what looks at a subscription."""
    if subscription.image is not None:
        return images.ImageSource(subscription.image, subscription.name)
    if subscription.git is not None:
        return git.GitSource(subscription.git, subscription.name)
    if subscription.chart is not None:
        return charts.ChartSource(subscription.chart, subscription.name)
    if subscription.generic is not None:
        return generic.GenericSource(
            subscription.generic, subscription.name, subscription_registry()
        )
    raise AssertionError("a subscription has exactly one type")


def read_source(document: Mapping[str, Any]) -> Source:
    """Return what looks at a subscription that is plain JSON, as `Subscription` writes it."""
    return source_of(Subscription.model_validate(document))


def faults_of(subscription: Subscription) -> Iterator[Fault]:
    """Yield what is wrong with a well-formed subscription; fields are those of its type."""
    if subscription.image is not None:
        yield from images.check(subscription.image)
    if subscription.git is not None:
        yield from git.check(subscription.git)
    if subscription.chart is not None:
        yield from charts.check(subscription.chart)
    if subscription.generic is not None:
        yield from generic.check(subscription.generic, subscription_registry())


def generic_kinds() -> Collection[str]:
    """Return the types besides image, git and chart."""
    return subscription_registry().kinds
