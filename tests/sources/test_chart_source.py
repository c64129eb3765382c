"""Chart subscriptions: what is wrong with them, what they take, what a poll costs, and every fault's message."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airfreight.errors import (
    ArtifactError,
    AuthenticationError,
    NotFoundError,
    TransientError,
)
from airfreight.model.connections import ConnectionIds
from airfreight.model.credential import Credential
from airfreight.model.freight import ChartArtifact
from airfreight.model.project import RepositoryCredential
from airfreight.model.subscription import ChartSubscription
from airfreight.runtime.credentials import find_connection
from airfreight.sources.base import Found, SourceSettings
from airfreight.sources.charts import ChartSource, check
from tests.certificates import private_authority
from tests.chart_repository import ChartRepository, pack, push, write_chart
from tests.document_server import Asked, DocumentServer, Sent
from tests.registry_server import DebianRegistry
from tests.sources.looks import OPEN, look

LOGIN = Credential("robot", "s3cret")
INDEX = b"""\
apiVersion: v1
entries:
  app:
  - {version: 1.2.0, created: "2026-03-01T10:00:00.123456789Z", urls: [app-1.2.0.tgz], digest: aa}
  - {version: 2.0.0-rc.1, created: "2026-05-01T10:00:00Z"}
  - {version: v1.10, created: "2026-04-01T10:00:00Z", maintainers: [{name: a, deep: [[1]]}]}
  - {version: nightly, created: "2026-06-01T10:00:00Z"}
  other:
  - {version: 9.9.9}
generated: "2026-06-01T10:00:00Z"
"""


@pytest.fixture
def server() -> Iterator[DocumentServer]:
    with DocumentServer() as server:
        server.answers["/index.yaml"] = Sent(INDEX)
        yield server


def subscription(url: str, name: str = "app", **fields: object) -> ChartSubscription:
    return ChartSubscription.model_validate({"repoURL": url, "name": name, **fields})


async def found(
    subscription: ChartSubscription,
    cache: Path,
    login: Credential | None = None,
    limit: int = 20,
    as_of: datetime | None = None,
) -> Found:
    source = ChartSource(subscription, "charts")
    return await source.discover(look(cache, login), limit=limit, as_of=as_of)


def versions(found: Found) -> list[str]:
    taken = [one.artifact for one in found.artifacts]
    assert all(isinstance(one, ChartArtifact) for one in taken)
    return [one.version for one in taken if isinstance(one, ChartArtifact)]


def kept_files(cache: Path) -> list[Path]:
    return list(cache.rglob("*.sqlite3*"))


CHECKS = {
    "sound classic": ({"repoURL": "https://charts.example.com", "name": "app"}, []),
    "sound registry": ({"repoURL": "oci://ghcr.io/acme/charts/app"}, []),
    "classic without a name": (
        {"repoURL": "https://charts.example.com"},
        ["name: required: a repository of http(s) holds many charts"],
    ),
    "registry with a name": (
        {"repoURL": "oci://ghcr.io/acme/charts", "name": "app"},
        [
            "name: expected none: the URL of an oci:// repository is that of one chart "
            "(write repoURL: oci://ghcr.io/acme/charts/app)"
        ],
    ),
    "registry with a tag": (
        {"repoURL": "oci://ghcr.io/acme/app:1.0.0"},
        ["repoURL: expected oci://registry/path of the chart, without a tag"],
    ),
    "a login": (
        {"repoURL": "https://robot:s3cret@charts.example.com", "name": "app"},
        [
            "repoURL: expected a URL without a login "
            "(put the login into a Connection that a Secret of the type helm names)"
        ],
    ),
    "a host in other letters": (
        {"repoURL": "https://charts.g\u0130tlab.com", "name": "app"},
        ["repoURL: expected a host in ASCII (write xn--… for a name in other letters)"],
    ),
    "a registry in other letters": (
        {"repoURL": "oci://registry.g\u0130tlab.com/acme/app"},
        ["repoURL: expected a host in ASCII (write xn--… for a name in other letters)"],
    ),
    "no host": (
        {"repoURL": "https://", "name": "app"},
        ["repoURL: expected the URL of a chart repository, with a host"],
    ),
    "a host that cannot be read": (
        {"repoURL": "https://[x", "name": "b"},
        ["repoURL: expected a URL; its host cannot be read"],
    ),
    "a registry's host that cannot be read": (
        {"repoURL": "oci://[x"},
        ["repoURL: expected a URL; its host cannot be read"],
    ),
    "a bad constraint": (
        {"repoURL": "oci://ghcr.io/acme/app", "semverConstraint": "^1.2 || latest"},
        [
            "semverConstraint at 8: 'latest' is not a version constraint; "
            "expected one such as ^1.2, >=1.0.0 <2.0.0 or 1.x"
        ],
    ),
}


@pytest.mark.parametrize(("fields", "messages"), CHECKS.values(), ids=CHECKS)
def test_what_is_wrong_with_a_subscription_is_told_with_its_field(
    fields: dict[str, str], messages: list[str]
) -> None:
    told = []
    for fault in check(ChartSubscription.model_validate(fields)):
        at = f" at {fault.offset}" if fault.offset is not None else ""
        hint = f" ({fault.hint})" if fault.hint else ""
        told.append(f"{'.'.join(map(str, fault.field))}{at}: {fault.message}{hint}")
    assert told == messages


def test_a_secret_for_a_repository_opens_each_of_its_charts() -> None:
    url = "https://charts.example.com/stable"
    secret = RepositoryCredential(
        name="charts", cred_type="helm", repo_url=url, connection_id="airfreight_shop_charts"
    )
    app, web = (ChartSource(subscription(url, name), "") for name in ("app", "web"))
    assert (app.url, web.url) == (f"{url} app", f"{url} web")
    for source in (app, web):
        opened = find_connection(
            [secret], ConnectionIds("shop"), source.credential_kind, source.credential_url
        )
        assert opened == "airfreight_shop_charts"


TAKEN = {
    "all": ("", ["v1.10", "1.2.0"]),
    "within bounds": ("~1.2", ["1.2.0"]),
    "a pre-release that the constraint names": (">=1.0.0-0", ["2.0.0-rc.1", "v1.10", "1.2.0"]),
    "none": (">3", []),
}


@pytest.mark.parametrize(("constraint", "expected"), TAKEN.values(), ids=TAKEN)
async def test_the_versions_of_an_index_are_taken_newest_first(
    server: DocumentServer, tmp_path: Path, constraint: str, expected: list[str]
) -> None:
    chart = subscription(server.url, semverConstraint=constraint or "*")
    seen = await found(chart, tmp_path)
    assert versions(seen) == expected
    assert seen.mark == (expected[0] if expected else "")


async def test_each_version_that_is_not_taken_is_told_with_the_rule(
    server: DocumentServer, tmp_path: Path
) -> None:
    seen = await found(subscription(server.url, semverConstraint="^1.10"), tmp_path)
    assert {one.name: one.rule for one in seen.rejected} == {
        "nightly": "no semantic version",
        "2.0.0-rc.1": "does not meet the constraint '^1.10'",
        "1.2.0": "does not meet the constraint '^1.10'",
    }


async def test_no_more_are_found_than_the_limit(server: DocumentServer, tmp_path: Path) -> None:
    assert versions(await found(subscription(server.url), tmp_path, limit=2)) == [
        "2.0.0-rc.1",
        "v1.10",
    ]


async def test_as_of_a_date_the_entries_of_that_date_count(
    server: DocumentServer, tmp_path: Path
) -> None:
    chart = subscription(server.url, semverConstraint=">=1-0")
    seen = await found(chart, tmp_path, as_of=datetime(2026, 4, 15, tzinfo=UTC))
    assert versions(seen) == ["v1.10", "1.2.0"]
    assert seen.artifacts[1].created_at == datetime(2026, 3, 1, 10, 0, 0, 123456, UTC)
    assert ("2.0.0-rc.1", "made after 2026-04-15T00:00:00+00:00") in [
        (one.name, one.rule) for one in seen.rejected
    ]


async def test_as_of_a_date_an_entry_without_one_is_an_error_that_says_why(
    server: DocumentServer, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError) as caught:
        await found(
            subscription(server.url, "other"), tmp_path, as_of=datetime(2026, 4, 15, tzinfo=UTC)
        )
    assert str(caught.value) == (
        f"{server.url} other: nothing says when version 9.9.9 was made, so that nobody can know whether it was there "
        "at 2026-04-15T00:00:00+00:00; leave it out by semverConstraint"
    )


async def test_a_poll_of_an_unchanged_index_is_one_conditional_request_for_all_its_charts(
    server: DocumentServer, tmp_path: Path
) -> None:
    def conditional(asked: Asked) -> Sent:
        if asked.headers.get("if-none-match") == '"1"':
            return Sent(status=304)
        return Sent(INDEX, headers={"ETag": '"1"'})

    server.answers["/index.yaml"] = conditional
    app = ChartSource(subscription(server.url), "")
    other = ChartSource(subscription(server.url, "other"), "")
    assert app.stream_key() == other.stream_key()
    access = look(tmp_path)
    seen = await app.poll(access)
    assert (await app.mark(seen, access), await other.mark(seen, access)) == ("2.0.0-rc.1", "9.9.9")
    assert await app.poll(access) == seen
    assert len(server.asked) == 2
    assert server.asked[1].headers["if-none-match"] == '"1"'


@pytest.mark.parametrize("etag", ['"é"', '"a\tb"'])
async def test_an_etag_that_cannot_be_sent_back_is_not_kept(
    server: DocumentServer, tmp_path: Path, etag: str
) -> None:
    server.answers["/index.yaml"] = Sent(INDEX, headers={"ETag": etag})
    app, access = ChartSource(subscription(server.url), ""), look(tmp_path)
    assert await app.poll(access) == await app.poll(access)
    assert ["if-none-match" in asked.headers for asked in server.asked] == [False, False]


async def test_a_changed_index_changes_the_mark_of_its_chart_only(
    server: DocumentServer, tmp_path: Path
) -> None:
    app = ChartSource(subscription(server.url), "")
    other = ChartSource(subscription(server.url, "other"), "")
    access = look(tmp_path)
    before = await app.poll(access)
    marks = [await app.mark(before, access), await other.mark(before, access)]
    server.answers["/index.yaml"] = Sent(INDEX.replace(b"9.9.9", b"10.0.0"))
    after = await app.poll(access)
    assert before != after
    assert marks == ["2.0.0-rc.1", "9.9.9"]
    assert [await app.mark(after, access), await other.mark(after, access)] == [
        "2.0.0-rc.1",
        "10.0.0",
    ]


async def test_an_index_whose_cache_is_gone_is_read_again(
    server: DocumentServer, tmp_path: Path
) -> None:
    source, access = ChartSource(subscription(server.url), ""), look(tmp_path)
    seen = await source.poll(access)
    for file in kept_files(tmp_path):
        file.unlink()
    assert await source.mark(seen, access) == "2.0.0-rc.1"


async def test_nobody_sees_the_index_of_another_login(
    server: DocumentServer, tmp_path: Path
) -> None:
    await found(subscription(server.url), tmp_path, LOGIN)
    server.answers["/index.yaml"] = Sent(status=304)
    with pytest.raises(NotFoundError, match="was never read"):
        await found(subscription(server.url), tmp_path)


async def test_a_packed_index_is_read(server: DocumentServer, tmp_path: Path) -> None:
    server.answers["/index.yaml"] = Sent(gzip.compress(INDEX), headers={"Content-Encoding": "gzip"})
    assert versions(await found(subscription(server.url), tmp_path, limit=1)) == ["2.0.0-rc.1"]
    assert server.asked[0].headers["accept-encoding"] == "gzip"


async def test_the_event_loop_goes_on_while_a_large_index_is_read(
    server: DocumentServer, tmp_path: Path
) -> None:
    entry = b"  - {version: 1.%d.0, description: a chart, keywords: [a, b, c], home: nowhere}\n"
    index = b"entries:\n  app:\n" + b"".join(entry % number for number in range(15_000))
    server.answers["/index.yaml"] = Sent(index)
    source = ChartSource(subscription(server.url), "")
    gaps: list[float] = []

    async def beat() -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.005)
            gaps.append(time.monotonic() - last)
            last = time.monotonic()

    heart = asyncio.create_task(beat())
    began = time.monotonic()
    seen = await source.poll(look(tmp_path))
    taken = time.monotonic() - began
    heart.cancel()
    assert await source.mark(seen, look(tmp_path)) == "1.14999.0"
    # Read on the loop, it would be one gap of nearly the whole time.
    assert max(gaps) < 0.7 * taken


async def test_an_index_is_read_where_nothing_can_be_kept(
    server: DocumentServer, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    seen = await found(subscription(server.url), tmp_path / "file" / "cache")
    assert seen.mark == "2.0.0-rc.1"


FAULTS = {
    "401": (Sent(status=401), AuthenticationError, "{index} refused the login (HTTP 401)"),
    "403": (Sent(status=403), AuthenticationError, "{index} refused the login (HTTP 403)"),
    "404": (Sent(status=404), NotFoundError, "{index}: not found"),
    "410": (Sent(status=410), ArtifactError, "{index} answered HTTP 410"),
    "429": (
        Sent(status=429, headers={"Retry-After": "7"}),
        TransientError,
        "{index} answered HTTP 429",
    ),
    "500": (Sent(status=500), TransientError, "{index} answered HTTP 500"),
    "HTML": (
        Sent(b"<!DOCTYPE html><html><body>Sign in</body></html>"),
        ArtifactError,
        "{index} is no index of charts but HTML; expected repoURL to be the URL of a chart repository",
    ),
    "nothing": (
        Sent(b""),
        ArtifactError,
        "{index} is no index of charts but something else; "
        "expected repoURL to be the URL of a chart repository",
    ),
    "broken YAML": (
        Sent(b"apiVersion: v1\nentries:\n  app: [\n"),
        ArtifactError,
        "{index} is no index of charts: broken YAML at line 4",
    ),
    "no text": (
        Sent(b"apiVersion: \xff\xfe\n"),
        ArtifactError,
        "{index} is no index of charts: broken YAML",
    ),
    "no entries": (
        Sent(b"apiVersion: v1\n"),
        ArtifactError,
        "{index} is no index of charts: it has no entries",
    ),
    "another chart": (
        Sent(b"entries:\n  web:\n  - {version: 1.0.0}\n"),
        NotFoundError,
        "{index} lists no chart 'app'",
    ),
    "entries of the wrong shape": (
        Sent(b"entries:\n  app: {version: 1.0.0}\n  web:\n  - text\n  - [1]\n"),
        NotFoundError,
        "{index} lists no chart 'app'",
    ),
    "an alias bomb": (
        Sent(b"a: &a [x, x]\nb: &b [*a, *a]\nentries:\n  app: [*b, *b]\n"),
        NotFoundError,
        "{index} lists no chart 'app'",
    ),
    "no end": (
        Sent(itertools.repeat(b"# more\n" * 10_000)),
        ArtifactError,
        "{index} sent more than 67108864 bytes",
    ),
    "a gzip bomb": (
        Sent(gzip.compress(b"#" * 65 * 2**20, 1), headers={"Content-Encoding": "gzip"}),
        ArtifactError,
        "{index} sent more than 67108864 bytes",
    ),
    "no gzip": (
        Sent(INDEX, headers={"Content-Encoding": "gzip"}),
        ArtifactError,
        "{index} sent a body that is not gzip",
    ),
    "half a gzip": (
        Sent(gzip.compress(INDEX)[:100], headers={"Content-Encoding": "gzip"}),
        TransientError,
        "{index} sent a part of a body only",
    ),
    "packed otherwise": (
        Sent(INDEX, headers={"Content-Encoding": "br"}),
        ArtifactError,
        "{index} sent a body packed by 'br'; expected gzip",
    ),
    "a part": (
        Sent([INDEX[:50]], headers={"Content-Length": "5000"}),
        TransientError,
        "{host} did not answer: RemoteProtocolError",
    ),
    "a circle": (
        Sent(status=302, headers={"Location": "/index.yaml"}),
        ArtifactError,
        "{index} redirects more than 5 times",
    ),
    "a redirect to cloud metadata": (
        Sent(status=302, headers={"Location": "http://169.254.169.254/latest/"}),
        ArtifactError,
        "169.254.169.254 leads to 169.254.169.254, a link-local address: requests there are refused",
    ),
}


@pytest.mark.parametrize(("sent", "kind", "message"), FAULTS.values(), ids=FAULTS)
async def test_each_fault_of_a_repository_has_its_message(
    server: DocumentServer, tmp_path: Path, sent: Sent, kind: type[ArtifactError], message: str
) -> None:
    server.answers["/index.yaml"] = sent
    with pytest.raises(ArtifactError) as caught:
        await found(subscription(server.url), tmp_path, LOGIN)
    assert type(caught.value) is kind
    host = server.url.removeprefix("http://")
    assert str(caught.value) == message.format(index=f"{server.url}/index.yaml", host=host)
    server.answers["/index.yaml"] = Sent(INDEX)
    assert versions(await found(subscription(server.url), tmp_path, LOGIN))


async def test_the_servers_own_word_on_waiting_is_kept(
    server: DocumentServer, tmp_path: Path
) -> None:
    server.answers["/index.yaml"] = FAULTS["429"][0]
    with pytest.raises(TransientError) as caught:
        await found(subscription(server.url), tmp_path)
    assert caught.value.retry_after == 7


async def test_without_a_login_the_message_says_that_one_is_wanted(
    server: DocumentServer, tmp_path: Path
) -> None:
    server.answers["/index.yaml"] = Sent(status=401)
    with pytest.raises(AuthenticationError) as caught:
        await found(subscription(server.url), tmp_path)
    assert str(caught.value) == (
        f"{server.url}/index.yaml asks for a login (HTTP 401); make a Connection for it"
    )


async def test_a_login_does_not_travel_over_plain_http_unless_allowed(
    server: DocumentServer, tmp_path: Path
) -> None:
    server.answers["/index.yaml"] = Sent(status=401)
    closed = look(tmp_path, LOGIN, SourceSettings(allow_loopback=True))
    with pytest.raises(AuthenticationError) as caught:
        await ChartSource(subscription(server.url), "").poll(closed)
    assert str(caught.value) == (
        f"{server.url}/index.yaml asks for a login over plain http; "
        "use https, or set allow_credentials_over_http"
    )
    assert "authorization" not in server.asked[0].headers


async def test_a_login_does_not_follow_a_redirect_to_another_host(
    server: DocumentServer, tmp_path: Path
) -> None:
    with DocumentServer() as elsewhere:
        elsewhere.answers["/index.yaml"] = Sent(INDEX)
        target = f"{elsewhere.url}/index.yaml"
        server.answers["/index.yaml"] = Sent(status=302, headers={"Location": target})
        assert versions(await found(subscription(server.url), tmp_path, LOGIN))
    assert server.asked[0].headers["authorization"].startswith("Basic ")
    assert "authorization" not in elsewhere.asked[0].headers


async def test_this_machine_is_closed_unless_the_setting_opens_it(
    server: DocumentServer, tmp_path: Path
) -> None:
    closed = look(tmp_path, settings=SourceSettings())
    with pytest.raises(ArtifactError) as caught:
        await ChartSource(subscription(server.url), "").poll(closed)
    assert str(caught.value) == (
        "127.0.0.1 leads to 127.0.0.1, a loopback address (the setting allow_loopback is off): "
        "requests there are refused"
    )
    assert server.asked == []


@pytest.fixture
def authority(tmp_path: Path) -> tuple[str, ssl.SSLContext]:
    return private_authority(tmp_path)


async def test_a_certificate_that_nobody_trusts_is_refused_with_the_way_out(
    authority: tuple[str, ssl.SSLContext], tmp_path: Path
) -> None:
    with DocumentServer(authority[1]) as server:
        server.answers["/index.yaml"] = Sent(INDEX)
        with pytest.raises(ArtifactError) as caught:
            await found(subscription(server.url), tmp_path)
        assert str(caught.value) == (
            f"{server.url.removeprefix('https://')} has a certificate that is not trusted: "
            "unable to get local issuer certificate; where a private authority signed it, put the authority's own "
            "into `ca_certificate` of the Connection's extra"
        )
        trusting = Credential("", "", ca_certificate=authority[0])
        assert versions(await found(subscription(server.url), tmp_path, trusting))
        careless = subscription(server.url, insecureSkipTLSVerify=True)
        assert versions(await found(careless, tmp_path))


async def test_what_is_no_certificate_is_told(server: DocumentServer, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="ca_certificate of the Connection is no certificate"):
        await found(subscription(server.url), tmp_path, Credential("", "", ca_certificate="x"))


async def test_a_real_repository_with_a_login_is_read(tmp_path: Path) -> None:
    with ChartRepository(tmp_path / "served", "robot", "s3cret") as repository:
        repository.add(write_chart(tmp_path / "a", "app", "1.0.0"))
        repository.add(write_chart(tmp_path / "b", "app", "1.1.0+build.5"))
        began = datetime.now(UTC)
        chart = subscription(repository.url)
        seen = await found(chart, tmp_path / "cache", LOGIN, as_of=began + timedelta(minutes=1))
        assert versions(seen) == ["1.1.0+build.5", "1.0.0"]
        with pytest.raises(AuthenticationError, match="asks for a login"):
            await found(chart, tmp_path / "cache")


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DebianRegistry]:
    """Give a registry with a login to which helm pushed three versions, and somebody a tag that is no chart's."""
    home = tmp_path_factory.mktemp("push")
    with DebianRegistry(user=("robot", "s3cret")) as registry:
        for version in ("1.0.0", "1.1.0+build.5", "2.0.0-rc.1"):
            archive = pack(write_chart(home / version, "app", version), home / "packed")
            push(archive, f"oci://{registry.host}/charts", ("robot", "s3cret"))
        registry.push_image("charts/app", "v3.0.0", created=datetime(2026, 1, 1, tzinfo=UTC))
        yield registry


def registry_subscription(registry: DebianRegistry, **fields: object) -> ChartSubscription:
    return subscription(f"oci://{registry.host}/charts/app", "", **fields)


async def test_what_helm_pushed_is_found(pushed: DebianRegistry, tmp_path: Path) -> None:
    seen = await found(registry_subscription(pushed, semverConstraint="*"), tmp_path, LOGIN)
    assert versions(seen) == ["1.1.0+build.5", "1.0.0"]
    assert {one.name: one.rule for one in seen.rejected} == {
        "2.0.0-rc.1": "does not meet the constraint '*'",
        "v3.0.0": "no strict semantic version",
    }
    first = seen.artifacts[0].artifact
    assert first == ChartArtifact(
        repo_url=f"oci://{pushed.host}/charts/app",
        version="1.1.0+build.5",
        subscription_name="charts",
    )


async def test_a_poll_of_a_registry_lists_the_tags_once(
    pushed: DebianRegistry, tmp_path: Path
) -> None:
    source = ChartSource(registry_subscription(pushed), "")
    access, before = look(tmp_path, LOGIN), pushed.polls("charts/app")
    seen = await source.poll(access)
    assert await source.mark(seen, access) == "2.0.0-rc.1"
    assert await source.mark([], access) == ""
    assert pushed.polls("charts/app") - before <= 2  # the first is asked to log in


async def test_charts_of_a_registry_are_dated_by_their_manifests(
    pushed: DebianRegistry, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    chart = registry_subscription(pushed)
    assert versions(await found(chart, tmp_path, LOGIN, limit=1, as_of=now)) == ["2.0.0-rc.1"]
    before = now - timedelta(days=1)
    assert versions(await found(chart, tmp_path, LOGIN, as_of=before)) == []


@dataclass
class TaggedRegistry:
    """Serves the tags of the chart app, each with a manifest of its date but those that are gone."""

    server: DocumentServer
    tags: list[str]
    gone: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        base, answers = "/v2/app", self.server.answers
        answers[f"{base}/tags/list"] = Sent(json.dumps({"name": "app", "tags": self.tags}).encode())
        media_type = "application/vnd.oci.image.manifest.v1+json"
        manifest = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {
                "mediaType": "application/vnd.cncf.helm.config.v1+json",
                "digest": f"sha256:{'0' * 64}",
                "size": 2,
            },
            "layers": [],
            "annotations": {"org.opencontainers.image.created": "2026-05-01T10:00:00Z"},
        }
        headers = {"Content-Type": media_type}
        for tag in set(self.tags) - self.gone:
            answers[f"{base}/manifests/{tag}"] = Sent(json.dumps(manifest).encode(), 200, headers)

    @property
    def chart(self) -> ChartSubscription:
        return subscription(f"oci://{self.server.url.removeprefix('http://')}/app", "")

    @property
    def manifests_asked(self) -> int:
        return sum("/manifests/" in asked.path for asked in self.server.asked)


async def test_a_tag_that_vanishes_between_list_and_date_is_passed_over(
    server: DocumentServer, tmp_path: Path
) -> None:
    registry = TaggedRegistry(server, ["1.0.0", "1.1.0"], frozenset({"1.1.0"}))
    seen = await found(registry.chart, tmp_path, as_of=datetime.now(UTC))
    assert versions(seen) == ["1.0.0"]
    assert [(one.name, one.rule) for one in seen.rejected] == [("1.1.0", "its tag is gone")]


async def test_no_more_than_a_hundred_versions_of_a_registry_are_dated(
    server: DocumentServer, tmp_path: Path
) -> None:
    registry = TaggedRegistry(server, [f"1.{minor}.0" for minor in range(120)])
    before = datetime(2026, 1, 1, tzinfo=UTC)
    fast = replace(OPEN, image_registry_rate_limit=10_000)
    with pytest.raises(ArtifactError) as caught:
        await ChartSource(registry.chart, "").discover(
            look(tmp_path, settings=fast), limit=1, as_of=before
        )
    assert str(caught.value) == (
        f"{registry.chart.repo_url}: the dates of the best 100 versions do not tell what was there, "
        "and more are not asked for; narrow semverConstraint"
    )
    assert registry.manifests_asked == 100


async def test_a_registry_that_wants_a_login_and_one_without_the_chart_are_told_apart(
    pushed: DebianRegistry, tmp_path: Path
) -> None:
    with pytest.raises(AuthenticationError) as refused:
        await found(registry_subscription(pushed), tmp_path)
    assert str(refused.value) == f"{pushed.host} asks for a login; make a Connection for it"
    with pytest.raises(NotFoundError) as missing:
        await found(subscription(f"oci://{pushed.host}/charts/web", ""), tmp_path, LOGIN)
    assert str(missing.value) == (f"{pushed.host}/charts/web: there is no such repository")


async def test_a_registry_on_this_machine_is_closed_unless_the_setting_opens_it(
    pushed: DebianRegistry, tmp_path: Path
) -> None:
    closed = look(tmp_path, LOGIN, SourceSettings(allow_credentials_over_http=OPEN.allow_loopback))
    with pytest.raises(ArtifactError, match="the setting allow_loopback is off"):
        await ChartSource(registry_subscription(pushed), "").poll(closed)
