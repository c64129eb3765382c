"""Every type of subscription that Warehouses know."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from airfreight.model.subscription import Subscription
from airfreight.sources import images
from airfreight.sources.base import Fault, Source


def source_of(subscription: Subscription) -> Source:
    """Return what looks at a subscription."""
    if subscription.image is not None:
        return images.ImageSource(subscription.image, subscription.name)
    raise AssertionError("a subscription has exactly one type")


def faults_of(subscription: Subscription) -> Iterator[Fault]:
    """Yield what is wrong with a well-formed subscription; fields are those of its type."""
    if subscription.image is not None:
        yield from images.check(subscription.image)


def generic_kinds() -> Collection[str]:
    """Return the types besides image, git and chart."""
    return ()
