"""WarehouseSensor in a hand-written DAG: it takes what a manifest's `subscriptions` hold, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from airfreight.sensors.warehouse import WarehouseSensor
from airfreight.sources.catalogue import read_source
from airfreight.triggers.artifact import ArtifactTrigger

NOWHERE = "http://127.0.0.1:9"  # closed to sources: the setting allow_loopback is off


def deferred(subscription: dict[str, Any]) -> ArtifactTrigger:
    """Return the trigger that a sensor waits by once its own look has failed."""
    sensor = WarehouseSensor(task_id="wait", subscription=subscription, deferrable=True)
    with pytest.raises(TaskDeferred) as caught:
        sensor.execute(Context())
    assert isinstance(caught.value.trigger, ArtifactTrigger)
    return caught.value.trigger


TAKEN = {
    "another type": (
        {"name": "models", "pypi": {"config": {"package": "acme", "indexURL": NOWHERE}}},
        f"{NOWHERE}/simple/acme/ models",
    ),
    "a chart": (
        {"chart": {"repoURL": f"{NOWHERE}/stable", "name": "shop"}},
        f"{NOWHERE}/stable shop",
    ),
}


@pytest.mark.parametrize(("subscription", "url"), TAKEN.values(), ids=TAKEN)
def test_an_entry_of_a_manifest_is_what_the_trigger_looks_at(
    subscription: dict[str, Any], url: str
) -> None:
    assert read_source(deferred(subscription).subscription).url == url


REFUSED = {
    "the model's own form": (
        {"name": "models", "generic": {"kind": "pypi", "config": {"package": "acme"}}},
        "subscription.generic: there is no type of subscription 'generic' (there are image, ",
    ),
    "no name": (
        {"pypi": {"config": {"package": "acme"}}},
        "subscription.name: required field is missing (a Freight's artifact of this type is called by it)",
    ),
    "a field of its config": (
        {"name": "models", "pypi": {"config": {"package": "acme", "constrain": ">1"}}},
        "subscription.pypi.config.constrain: subscription kind 'pypi' has no such field "
        "(did you mean 'constraint'?)",
    ),
    "two types": (
        {"git": {"repoURL": "https://git.example.com/a"}, "image": {"repoURL": "a/b"}},
        "subscription: expected exactly one type of subscription, found git, image",
    ),
}


@pytest.mark.parametrize(("subscription", "message"), REFUSED.values(), ids=REFUSED)
def test_what_a_manifest_may_not_hold_fails_the_task_for_good(
    subscription: dict[str, Any], message: str
) -> None:
    sensor = WarehouseSensor(task_id="wait", subscription=subscription)
    with pytest.raises(AirflowFailException) as caught:
        sensor.execute(Context())
    assert str(caught.value).startswith(message)


def test_a_field_that_a_manifest_ignores_is_ignored_with_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    chart = {"repoURL": f"{NOWHERE}/stable", "name": "shop", "semver": "^1"}
    deferred({"chart": chart})
    warning = "subscription.chart.semver: unknown field; it is ignored, as Kargo ignores it"
    assert capsys.readouterr().out.count(warning) == 1
