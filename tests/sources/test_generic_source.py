"""Generic subscriptions: kinds, configs, and what all kinds share."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from airfreight.errors import ArtifactError, SettingsError
from airfreight.model.freight import GenericArtifact
from airfreight.model.subscription import GenericSubscription
from airfreight.sources.base import Rejected
from airfreight.sources.custom import (
    CustomSubscription,
    SubscriptionRegistry,
    builtin_kinds,
    subscription_registry,
)
from airfreight.sources.generic import GenericSource, check
from airfreight.sources.kind import ArtifactVersion
from tests.sources.looks import look
from tests.sources.subscription_kinds import CarelessKind, ToldKind

MAY, JUNE = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
NEW = ArtifactVersion("2", "app", "https://example.com/2", "sha256:bb", JUNE)
OLD = ArtifactVersion("1", "app", created_at=MAY)
UNDATED = ArtifactVersion("0", "app")


def source(kind: ToldKind, name: str = "stock") -> GenericSource:
    subscription = GenericSubscription(kind="told")
    return GenericSource(subscription, name, SubscriptionRegistry([kind]))


FAULTS = {
    "an unknown kind": (
        "pypy",
        {},
        ": subscription kind 'pypy' is not registered; did you mean 'pypi'?",
    ),
    "a kind like no other": ("teapot", {}, ": subscription kind 'teapot' is not registered"),
    "nothing": ("pypi", {}, "config.package: required field is missing"),
    "a field that is mistyped": (
        "pypi",
        {"package": "dbt-core", "constrain": ">1"},
        "config.constrain: subscription kind 'pypi' has no such field (did you mean 'constraint'?)",
    ),
    "a field by Python's name": (
        "pypi",
        {"package": "dbt-core", "pre_releases": True},
        "config.pre_releases: subscription kind 'pypi' has no such field (did you mean 'preReleases'?)",
    ),
    "a package that is none": (
        "pypi",
        {"package": "../secrets"},
        "config.package: expected a text that matches ^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
    ),
    "a semver constraint": (
        "pypi",
        {"package": "dbt-core", "constraint": "^1.2"},
        "config.constraint: expected a constraint of PEP 440 such as >=2.1,<3 or ~=1.4",
    ),
    "an index without a scheme": (
        "pypi",
        {"package": "dbt-core", "indexURL": "pypi.example.com"},
        "config.indexURL: expected a URL that begins with https:// or http://, without a query",
    ),
    "a login in a URL": (
        "pypi",
        {"package": "dbt-core", "indexURL": "https://robot:s3cret@pypi.example.com"},
        "config.indexURL: expected a URL without a login; put it into a Connection that a Secret names",
    ),
    "no boolean": (
        "pypi",
        {"package": "dbt-core", "preReleases": "maybe"},
        "config.preReleases: expected true or false, found a string",
    ),
    "a repository that starts programs": (
        "dbt-project",
        {"repoURL": "ext::sh -c id"},
        "config.repoURL: repository URL 'ext::sh -c id' is not accepted: "
        "expected https://…, http://…, ssh://… or user@host:path",
    ),
    "a branch that is an option": (
        "dbt-project",
        {"repoURL": "https://git.example.com/a/b", "branch": "--upload-pack=id"},
        "config.branch: '--upload-pack=id' is not a name that a branch can have",
    ),
    "a folder outside": (
        "dbt-project",
        {"repoURL": "https://git.example.com/a/b", "path": "a/../../b"},
        "config.path: expected a folder within the repository, such as analytics/dbt",
    ),
    "no model": (
        "mlflow-model",
        {"trackingURL": "https://mlflow.example.com", "model": ""},
        "config.model: string should have at least 1 character",
    ),
    "a tracking server that is a database": (
        "mlflow-model",
        {"trackingURL": "sqlite:///mlflow.db", "model": "churn"},
        "config.trackingURL: expected a URL that begins with https:// or http://, without a query",
    ),
    "an Airflow without a scheme": (
        "dag-bundle",
        {"airflowURL": "airflow.example.com", "bundle": "etl"},
        "config.airflowURL: expected a URL that begins with https:// or http://, without a query",
    ),
    "an Airflow's bundle that nobody names": (
        "dag-bundle",
        {"airflowURL": "https://airflow.example.com", "bundle": ""},
        "config.bundle: string should have at least 1 character",
    ),
    "an object elsewhere": (
        "object",
        {"url": "https://example.com/a.csv"},
        "config.url: expected s3://bucket/key, gs://bucket/key or file:///path",
    ),
    "a file outside": (
        "object",
        {"url": "file:///data/../etc"},
        "config.url: expected file:///path without a host and without '..'",
    ),
    "a bad pattern": (
        "object",
        {"url": "s3://data/models", "pattern": "regex:("},
        "config.pattern: bad regular expression '(': missing ): (",
    ),
    "a region that is none": (
        "object",
        {"url": "s3://data/models", "region": "eu.evil.example/"},
        "config.region: expected a text that matches ^[a-z0-9-]*$",
    ),
}


@pytest.mark.parametrize(("kind", "config", "message"), FAULTS.values(), ids=FAULTS)
def test_what_is_wrong_with_a_config_is_told_with_its_field(
    kind: str, config: dict[str, object], message: str
) -> None:
    subscription = GenericSubscription(kind=kind, config=config)
    (fault,) = check(subscription, subscription_registry())
    hint = f" ({fault.hint})" if fault.hint else ""
    assert f"{'.'.join(map(str, fault.field))}: {fault.message}{hint}" == message


def test_a_source_of_a_wrong_config_is_refused_without_the_value() -> None:
    config = {"package": "a", "indexURL": "https://robot:s3cret@pypi.example.com", "more": 1}
    subscription = GenericSubscription(kind="pypi", config=config)
    with pytest.raises(SettingsError) as caught:
        GenericSource(subscription, "stock", subscription_registry())
    assert str(caught.value) == (
        "pypi.config.indexURL: expected a URL without a login; put it into a Connection that a Secret names; "
        "pypi.config.more: subscription kind 'pypi' has no such field"
    )


def test_a_kind_whose_check_fails_is_at_fault() -> None:
    subscription = GenericSubscription(kind="careless", config={"place": "shelf"})
    (fault,) = check(subscription, SubscriptionRegistry([CarelessKind()]))
    assert (fault.field, fault.message, fault.hint) == (
        ("config",),
        "the check of its config raised ZeroDivisionError",
        "this is a fault of the kind",
    )


def test_a_sound_config_has_no_fault() -> None:
    config = {"package": "dbt-core", "constraint": ">=1.8,<2", "preReleases": True}
    subscription = GenericSubscription(kind="pypi", config=config)
    assert list(check(subscription, subscription_registry())) == []


def test_a_kind_of_a_package_is_found_and_takes_no_built_in_ones_place() -> None:
    target = "tests.sources.subscription_kinds:ToldKind"
    points = [CustomSubscription("told", target), CustomSubscription("pypi", target)]
    registry = SubscriptionRegistry(builtin_kinds(), points)
    assert isinstance(registry.find("told"), ToldKind)
    assert registry.clashes == (
        f"subscription kind 'pypi' of {target} is built in; rename the entry point",
    )


def test_two_packages_with_one_kind_are_both_named_and_neither_is_used() -> None:
    points = [CustomSubscription("told", "acme.a:A"), CustomSubscription("told", "acme.b:B")]
    registry = SubscriptionRegistry([], points)
    message = "subscription kind 'told' is registered twice: acme.a:A and acme.b:B; remove one of the packages"
    assert registry.clashes == (message,)
    with pytest.raises(SettingsError) as caught:
        GenericSource(GenericSubscription(kind="told"), "stock", registry)
    assert str(caught.value) == message


def test_two_built_in_kinds_with_one_name_are_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="'told' is registered twice: ToldKind and ToldKind"):
        SubscriptionRegistry([ToldKind(), ToldKind()])


async def test_an_artifact_has_type_subscription_version_name_digest_and_link(
    tmp_path: Path,
) -> None:
    found = await source(ToldKind([NEW, OLD])).discover(look(tmp_path), limit=5, as_of=None)
    assert [one.artifact for one in found.artifacts] == [
        GenericArtifact(
            artifact_type="told",
            subscription_name="stock",
            version="2",
            metadata={"name": "app", "digest": "sha256:bb", "link": "https://example.com/2"},
        ),
        GenericArtifact(
            artifact_type="told", subscription_name="stock", version="1", metadata={"name": "app"}
        ),
    ]
    assert (found.mark, found.artifacts[0].created_at) == ("2", JUNE)


async def test_a_kind_is_not_asked_for_more_than_the_limit(tmp_path: Path) -> None:
    kind = ToldKind([Rejected("3", "yanked"), NEW, OLD, UNDATED])
    found = await source(kind).discover(look(tmp_path), limit=1, as_of=None)
    assert (len(found.artifacts), kind.asked) == (1, 2)
    assert found.rejected == (Rejected("3", "yanked"),)


async def test_a_poll_says_what_discovery_would_mark(tmp_path: Path) -> None:
    one, access = source(ToldKind([Rejected("3", "yanked"), NEW, OLD])), look(tmp_path)
    found = await one.discover(access, limit=5, as_of=MAY)
    assert await one.mark(await one.poll(access), access) == found.mark == "2"
    nothing = source(ToldKind([Rejected("3", "yanked")]))
    assert await nothing.mark(await nothing.poll(access), access) == ""


async def test_as_of_a_date_later_versions_do_not_count(tmp_path: Path) -> None:
    found = await source(ToldKind([NEW, OLD])).discover(look(tmp_path), limit=5, as_of=MAY)
    assert [one.created_at for one in found.artifacts] == [MAY]
    assert found.rejected == (Rejected("2", "made after 2026-05-01T00:00:00+00:00"),)


async def test_as_of_a_date_a_version_without_one_is_an_error_that_says_why(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as caught:
        await source(ToldKind([UNDATED])).discover(look(tmp_path), limit=5, as_of=MAY)
    assert str(caught.value) == (
        "told://shelf stock: nobody can know whether version 0 was there at 2026-05-01T00:00:00+00:00: "
        "nothing says when it was made"
    )


async def test_what_a_kind_should_not_raise_is_an_artifact_error_without_its_text(
    tmp_path: Path,
) -> None:
    kind = ToldKind([KeyError("s3cret")])
    with pytest.raises(ArtifactError) as caught:
        await source(kind).poll(look(tmp_path))
    assert str(caught.value) == (
        "subscription kind 'told' raised KeyError: this is a fault of the kind"
    )


def test_equal_configs_share_a_poll_whatever_the_subscriptions_are_called() -> None:
    kind = ToldKind()
    registry = SubscriptionRegistry([kind])
    shelf = GenericSubscription(kind="told", config={"place": "shelf"})
    floor = GenericSubscription(kind="told", config={"place": "floor"})
    assert source(kind).stream_key() == GenericSource(shelf, "x", registry).stream_key()
    assert source(kind).stream_key() != GenericSource(floor, "x", registry).stream_key()
    assert source(kind).url == "told://shelf stock"
    assert source(kind).credential_url == "told://shelf"
