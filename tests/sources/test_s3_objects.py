"""The subscription kind object against the S3 of moto's server."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airfreight.artifacts.documents import Egress
from airfreight.artifacts.objects import Storage
from airfreight.errors import ArtifactError, AuthenticationError, NotFoundError
from airfreight.model.credential import Credential
from airfreight.model.subscription import GenericSubscription
from airfreight.sources.backoff import Backoff
from airfreight.sources.base import Found, SourceSettings
from airfreight.sources.custom import subscription_registry
from airfreight.sources.generic import GenericSource
from tests.sources.looks import OPEN, look

LOGIN = Credential("AKIAEXAMPLE", "s3cret")


@pytest.fixture(scope="module")
def s3() -> Iterator[tuple[str, Any]]:
    """Give the server's URL and a client that writes there."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=LOGIN.username,
        aws_secret_access_key=LOGIN.password,
    )
    client.create_bucket(Bucket="data")
    yield url, client
    client.close()
    server.stop()


def source(endpoint: str, url: str, pattern: str = "") -> GenericSource:
    config = {"url": url, "pattern": pattern, "endpointURL": endpoint, "region": "us-east-1"}
    subscription = GenericSubscription(kind="object", config=config)
    return GenericSource(subscription, "model", subscription_registry(), backoff=Backoff())


async def found(one: GenericSource, cache: Path, as_of: datetime | None = None) -> Found:
    return await one.discover(look(cache, LOGIN), limit=20, as_of=as_of)


def names(found: Found) -> list[str]:
    return [one.artifact.model_dump()["metadata"]["name"] for one in found.artifacts]


async def test_an_object_changes_its_version_with_its_content(
    s3: tuple[str, Any], tmp_path: Path
) -> None:
    endpoint, client = s3
    one, access = source(endpoint, "s3://data/one/churn.bin"), look(tmp_path, LOGIN)
    etags = []
    for content in (b"first", b"second", b"second"):
        etags.append(client.put_object(Bucket="data", Key="one/churn.bin", Body=content)["ETag"])
        assert await one.poll(access) == etags[-1].strip('"')
    assert etags[0] != etags[1] == etags[2]
    seen = await found(one, tmp_path)
    etag = etags[2].strip('"')
    assert seen.artifacts[0].artifact.model_dump()["metadata"] == {
        "name": "churn.bin",
        "digest": f"etag:{etag}",
        "link": "s3://data/one/churn.bin",
    }


async def test_the_objects_below_a_prefix_that_meet_the_pattern_are_taken(
    s3: tuple[str, Any], tmp_path: Path
) -> None:
    endpoint, client = s3
    for key in (
        "many/2026/a.parquet",
        "many/2026/b.parquet",
        "many/readme.md",
        "manyother.parquet",
    ):
        client.put_object(Bucket="data", Key=key, Body=key.encode())
    one = source(endpoint, "s3://data/many", "glob:**/*.parquet")
    seen = await found(one, tmp_path)
    assert sorted(names(seen)) == ["2026/a.parquet", "2026/b.parquet"]
    assert [rejected.name for rejected in seen.rejected] == ["readme.md"]
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert names(await found(one, tmp_path, yesterday)) == []


async def test_a_prefix_with_too_many_objects_is_refused(
    s3: tuple[str, Any],
) -> None:
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    endpoint, client = s3
    client.put_object(Bucket="data", Key="thousands/0", Body=b"a")
    keys = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets["data"].keys
    for number in range(3000):  # in place of as many requests
        one = copy.copy(keys["thousands/0"])
        one.name = f"thousands/{number}"
        keys[one.name] = one
    egress = Egress(LOGIN, allow_loopback=True, allow_credentials_over_http=True)
    with pytest.raises(ArtifactError, match="holds more than 1000 objects; make the prefix longer"):
        await Storage("s3://data/thousands", endpoint, "us-east-1", most=1000).list(egress)


FAULTS = {
    "no bucket": ("s3://gone/a", NotFoundError, "s3://gone/a: there is no such bucket or object"),
    "no object": ("s3://data/gone", NotFoundError, "s3://data/gone: there is no object"),
}


@pytest.mark.parametrize(("url", "kind", "message"), FAULTS.values(), ids=FAULTS)
async def test_each_fault_of_a_bucket_has_its_message(
    s3: tuple[str, Any], tmp_path: Path, url: str, kind: type[ArtifactError], message: str
) -> None:
    with pytest.raises(kind) as caught:
        await found(source(s3[0], url), tmp_path)
    assert str(caught.value) == message


async def test_an_endpoint_on_this_machine_is_closed_unless_the_setting_opens_it(
    s3: tuple[str, Any], tmp_path: Path
) -> None:
    closed = look(tmp_path, LOGIN, SourceSettings(allow_credentials_over_http=True))
    with pytest.raises(ArtifactError, match="a loopback address"):
        await source(s3[0], "s3://data/one").poll(closed)


async def test_a_login_does_not_travel_over_plain_http_unless_allowed(
    s3: tuple[str, Any], tmp_path: Path
) -> None:
    closed = look(tmp_path, LOGIN, SourceSettings(allow_loopback=OPEN.allow_loopback))
    with pytest.raises(AuthenticationError) as caught:
        await source(s3[0], "s3://data/one").poll(closed)
    assert str(caught.value) == (
        f"{s3[0]} would get the login over plain http; use https, or set allow_credentials_over_http"
    )


async def test_no_look_holds_up_the_loop(s3: tuple[str, Any], tmp_path: Path) -> None:
    endpoint, client = s3
    client.put_object(Bucket="data", Key="quick/a", Body=b"a")
    access = look(tmp_path, LOGIN)
    begin = time.thread_time()
    for _ in range(4):
        assert await source(endpoint, "s3://data/quick/a").poll(access)
    assert time.thread_time() - begin < 0.1  # the loop's own share of all four
