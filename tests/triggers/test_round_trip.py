"""What Airflow does to a trigger on its way from a DAG file to the triggerer."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.models.trigger import Trigger
from airflow.serialization.decoders import smart_decode_trigger_kwargs
from airflow.serialization.encoders import encode_trigger
from airflow.triggers.base import BaseEventTrigger, BaseTrigger

import airfreight.triggers
from airfreight.model.subscription import ImageSubscription, Subscription
from airfreight.triggers.artifact import ArtifactTrigger
from airfreight.triggers.warehouse import WarehouseTrigger

IMAGE = ImageSubscription(
    repo_url="registry.example/web", constraint="^1.0.0", ignore_tags_regexes=("-rc",)
)
SUBSCRIPTION = Subscription(name="web", image=IMAGE).model_dump(
    mode="json", by_alias=True, exclude_defaults=True
)

# For each trigger a value of its own for every argument, none of them a default.
SAMPLES: dict[type[BaseTrigger], dict[str, Any]] = {
    WarehouseTrigger: {
        "warehouse": "shop/web",
        "spec": "0123456789abcdef",
        "subscription": SUBSCRIPTION,
        "repository_conn_id": "airfreight_shop_registry",
        "poke_interval": 61.5,
    },
    ArtifactTrigger: {
        "subscription": SUBSCRIPTION,
        "repository_conn_id": "airfreight_shop_registry",
        "after": "1.0.0",
        "poke_interval": 61.5,
    },
}


def trigger_classes() -> Iterator[type[BaseTrigger]]:
    for module in pkgutil.walk_packages(airfreight.triggers.__path__, "airfreight.triggers."):
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(found, BaseTrigger) and found.__module__ == module.name:
                yield found


TRIGGERS = list(trigger_classes())
each = pytest.mark.parametrize("kind", TRIGGERS, ids=lambda kind: kind.__name__)


def arguments_of(kind: type[BaseTrigger]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(kind).parameters)


def test_every_trigger_has_a_sample():
    assert set(TRIGGERS) == set(SAMPLES)


@each
def test_a_sample_leaves_no_argument_at_its_default(kind):
    arguments = arguments_of(kind)
    assert SAMPLES[kind].keys() == arguments.keys()
    assert not [name for name, value in SAMPLES[kind].items() if value == arguments[name].default]


@each
def test_every_argument_is_in_what_a_trigger_serializes(kind):
    path, kwargs = kind(**SAMPLES[kind]).serialize()
    assert kwargs == SAMPLES[kind]
    module, _, name = path.rpartition(".")
    assert getattr(importlib.import_module(module), name) is kind


def through_the_serialized_dag(path: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    encoded = json.loads(json.dumps(encode_trigger({"classpath": path, "kwargs": kwargs})))
    return {name: smart_decode_trigger_kwargs(value) for name, value in encoded["kwargs"].items()}


def through_the_database(path: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    return dict(Trigger(classpath=path, kwargs=kwargs).kwargs)


@each
def test_the_arguments_survive_every_way_of_airflow_unchanged(kind):
    path, kwargs = kind(**SAMPLES[kind]).serialize()
    for journey in (through_the_serialized_dag, through_the_database):
        arrived = journey(path, kwargs)
        assert arrived == SAMPLES[kind]
        assert kind(**arrived).serialize() == (path, kwargs)


@pytest.mark.parametrize(
    "kind",
    [kind for kind in TRIGGERS if issubclass(kind, BaseEventTrigger)],
    ids=lambda kind: kind.__name__,
)
def test_a_watcher_has_the_same_hash_after_the_journey(kind):
    """Another one would make a new watcher at every parse."""
    path, kwargs = kind(**SAMPLES[kind]).serialize()
    arrived = through_the_serialized_dag(path, kwargs)
    stored = through_the_database(path, encode_trigger(kind(**SAMPLES[kind]))["kwargs"])
    hashes = {kind.hash(path, known) for known in (kwargs, arrived, stored)}
    assert len(hashes) == 1
