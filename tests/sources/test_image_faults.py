"""Registries that fail while Warehouses watch: nothing is lost, nobody else waits, and the loop never stands still."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airfreight.artifacts.disk_cache import DiskCache
from airfreight.artifacts.tls import tls_context
from airfreight.errors import ArtifactError
from airfreight.model.credential import Credential
from airfreight.model.subscription import ImageSubscription
from airfreight.sources.backoff import Backoff
from airfreight.sources.base import Access, SourceSettings
from airfreight.sources.images import ImageSource
from tests.registry_server import DebianRegistry
from tests.scripted_registry import Asked, Images, Reply, ScriptedRegistry, json_reply
from tests.token_server import TokenServer

LOGIN = Credential("robot", "s3cret-word")
FAST = SourceSettings(allow_credentials_over_http=True, image_registry_rate_limit=10_000)


def source(host: str, backoff: Backoff | None = None, **fields: object) -> ImageSource:
    subscription = ImageSubscription.model_validate({"repoURL": f"{host}/acme/web", **fields})
    return ImageSource(subscription, "", backoff=backoff or Backoff())


async def mark(watching: ImageSource, access: Access) -> str:
    return await watching.mark(await watching.poll(access), access)


FAULTS: dict[str, Callable[[Asked], Reply]] = {
    "404": lambda asked: Reply(404),
    "401": lambda asked: Reply(401, headers={"WWW-Authenticate": "Basic realm=x"}),
    "429": lambda asked: Reply(429, headers={"Retry-After": "30"}),
    "500": lambda asked: Reply(500),
    "truncated": lambda asked: Reply(body=b'{"tags": ["1.'),
    "broken off": lambda asked: Reply(body=b"{", length=100),
    "another page elsewhere": lambda asked: json_reply(
        {"tags": []}, Link='<http://evil.example/>; rel="next"'
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("part", ["/tags/list", "/manifests/"])
async def test_when_a_fault_ends_watching_goes_on_without_anyones_help(tmp_path, fault, part):
    images, now = Images(), 0.0
    images.push("1.0.0")
    access = Access(LOGIN, FAST, tmp_path)
    with ScriptedRegistry(images) as registry:
        watching = source(registry.host, Backoff(lambda: now))
        first = await mark(watching, access)
        images.push("1.0.0", created="2026-02-02T00:00:00Z")
        registry.script = lambda asked: fault(asked) if part in asked.path else images(asked)
        # A manifest that is not there is no error: the tag shows nothing for a moment.
        seen = await outcome(watching, access)
        assert seen == "" or isinstance(seen, ArtifactError)
        registry.script = images
        now += 60
        assert await mark(watching, access) == f"1.0.0@{images.shown['1.0.0']}" != first


async def outcome(watching: ImageSource, access: Access) -> str | ArtifactError:
    try:
        return await mark(watching, access)
    except ArtifactError as error:
        return error


@pytest.mark.parametrize(
    "reply",
    [
        Reply(307, headers={"Location": "http://169.254.169.254/latest/"}),
        Reply(401, headers={"WWW-Authenticate": 'Bearer realm="https://169.254.169.254/token"'}),
    ],
    ids=["redirect", "token realm"],
)
async def test_a_registry_sends_nobody_to_cloud_metadata(tmp_path, reply):
    with ScriptedRegistry(lambda asked: reply) as registry, pytest.raises(ArtifactError) as caught:
        await source(registry.host).poll(Access(LOGIN, FAST, tmp_path))
    assert str(caught.value) == (
        "169.254.169.254 leads to 169.254.169.254, a link-local address: requests there are refused"
    )


async def test_a_repository_that_fails_is_left_alone_and_asked_again_later(tmp_path):
    now = 0.0
    with ScriptedRegistry(lambda asked: Reply(429, headers={"Retry-After": "30"})) as registry:
        watching = source(registry.host, Backoff(lambda: now))
        for moment, requests in [(0, 1), (29, 0), (31, 1)]:
            now = moment
            with pytest.raises(ArtifactError, match="answered HTTP 429"):
                await watching.poll(Access(None, FAST, tmp_path))
            assert len(registry.requests()) == requests


async def test_a_repository_that_does_not_answer_slows_no_other_of_its_registry(tmp_path):
    images = Images("acme/other")
    images.push("1.0.0")

    def answer(asked: Asked) -> Reply:
        hangs = "acme/web" in asked.path
        return Reply(body=iter([b" "] * 100), pause=0.2) if hangs else images(asked)

    access = Access(None, FAST, tmp_path)
    with ScriptedRegistry(answer) as registry:
        stuck = [source(registry.host, constraint=f"^{n}") for n in range(8)]
        tasks = [asyncio.create_task(one.poll(access)) for one in stuck]
        try:
            await asyncio.sleep(0.1)
            other = ImageSubscription.model_validate({"repoURL": f"{registry.host}/acme/other"})
            started = time.monotonic()
            assert await mark(ImageSource(other, "", backoff=Backoff()), access)
            assert time.monotonic() - started < 10
            assert not any(task.done() for task in tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_is_no_name_of_a_tag_is_left_out_and_costs_nobody_what_was_learned(tmp_path):
    images = Images()
    images.push("1.0.0")
    odd = ["\ud800x", "", "-1.0.0", "2.0.0/../x", "9" * 129, "3.0.0\n"]
    access = Access(None, FAST, tmp_path)
    fields = {"imageSelectionStrategy": "Lexical", "cacheByTag": True}
    with ScriptedRegistry(images) as registry:
        await mark(source(registry.host, **fields), access)
        registry.script = lambda asked: (
            json_reply({"tags": [*odd, "1.0.0"]}) if "/tags/list" in asked.path else images(asked)
        )
        registry.requests()
        assert (await mark(source(registry.host, **fields), access)).startswith("1.0.0@")
        assert not any("/manifests/" in one for one in registry.requests())


async def test_all_that_ask_one_registry_share_its_rate(tmp_path):
    images = Images()
    settings = SourceSettings(image_registry_rate_limit=20)
    with ScriptedRegistry(images) as registry:
        sources = [source(registry.host) for _ in range(11)]
        started = time.monotonic()
        await asyncio.gather(*(one.poll(Access(None, settings, tmp_path)) for one in sources))
        assert time.monotonic() - started >= 10 / 20


async def test_no_more_requests_are_open_than_the_setting_allows(tmp_path):
    open_now = most = 0

    def body() -> Iterator[bytes]:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        yield b'{"tags": '
        open_now -= 1
        yield b"[]}"

    settings = SourceSettings(image_registry_rate_limit=10_000, image_registry_concurrency=3)
    with ScriptedRegistry(lambda asked: Reply(body=body(), pause=0.05)) as registry:
        access = Access(None, settings, tmp_path)
        await asyncio.gather(*(source(registry.host).poll(access) for _ in range(9)))
    assert most == 3


async def test_one_token_serves_all_polls_while_it_lasts(tmp_path):
    with TokenServer(("robot", "s3cret-word")) as tokens, DebianRegistry(tokens=tokens) as registry:
        registry.push_image("acme/web", "1.0.0", created=datetime(2026, 1, 1, tzinfo=UTC))
        access = Access(LOGIN, FAST, tmp_path)
        before = len(tokens.scopes)
        for _ in range(3):
            # The token server's certificate is of its own making.
            watching = source(registry.host, insecureSkipTLSVerify=True)
            assert (await mark(watching, access)).startswith("1.0.0@")
        assert len(tokens.scopes) - before == 1


async def test_a_change_of_login_is_asked_for_anew(tmp_path):
    def answer(asked: Asked) -> Reply:
        if asked.headers.get("authorization") is None:
            return Reply(401, headers={"WWW-Authenticate": "Basic realm=x"})
        return json_reply({"tags": ["1.0.0"]})

    with ScriptedRegistry(answer) as registry:
        watching = source(registry.host)
        with pytest.raises(ArtifactError):
            await watching.poll(Access(None, FAST, tmp_path))
        assert (await watching.poll(Access(LOGIN, FAST, tmp_path)))["tags"] == ["1.0.0"]


async def test_what_one_login_may_see_is_told_to_no_other(tmp_path):
    images = Images(validator=True)
    images.push("1.0.0", annotations={"org.example": "internal"})

    def answer(asked: Asked) -> Reply:
        if "authorization" not in asked.headers:
            return Reply(401, headers={"WWW-Authenticate": "Basic realm=x"})
        return images(asked)

    with ScriptedRegistry(answer) as registry:
        for strategy in ("SemVer", "NewestBuild", "Digest"):
            fields = {"imageSelectionStrategy": strategy, "cacheByTag": True}
            fields |= {"constraint": "1.0.0"} if strategy == "Digest" else {}
            assert await mark(source(registry.host, **fields), Access(LOGIN, FAST, tmp_path))
            with pytest.raises(ArtifactError):
                await source(registry.host, **fields).discover(
                    Access(None, FAST, tmp_path), limit=1, as_of=None
                )
    assert all(b"s3cret" not in file.read_bytes() for file in tmp_path.iterdir())


async def test_what_was_seen_without_checking_certificates_is_believed_by_nobody_who_does(tmp_path):
    images = Images(validator=True)
    images.push("1.0.0")
    access = Access(None, FAST, tmp_path)
    with ScriptedRegistry(images) as registry:
        await mark(source(registry.host, insecureSkipTLSVerify=True, cacheByTag=True), access)
        registry.requests()
        await mark(source(registry.host, cacheByTag=True), access)
        assert any("/manifests/1.0.0" in one for one in registry.requests())


class MeasuredLoop(asyncio.SelectorEventLoop):
    """Notes the longest that its thread worked without a pause for other callbacks, in seconds of its own CPU."""

    longest = 0.0

    def _run_once(self) -> None:
        began = time.thread_time()
        super()._run_once()  # type: ignore[misc]
        self.longest = max(self.longest, time.thread_time() - began)


@pytest.mark.parametrize("strategy", ["SemVer", "Lexical"])
def test_fifty_thousand_tags_never_stop_the_loop(tmp_path, strategy):
    tags = [f"{n // 1000}.{n // 10 % 100}.{n % 10}" for n in range(50_000)]
    best = max(tags, key=lambda tag: [int(part) for part in tag.split(".")])
    images = Images()
    images.push(best if strategy == "SemVer" else max(tags))
    listed = json.dumps({"tags": tags}).encode()

    def answer(asked: Asked) -> Reply:
        return Reply(body=listed) if asked.path.endswith("/list") else images(asked)

    with ScriptedRegistry(answer) as registry, asyncio.Runner(loop_factory=MeasuredLoop) as runner:
        runner.run(_warm(tmp_path / "warm"))
        loop = runner.get_loop()
        loop.longest = 0.0
        # All but the best are dropped, each with its rule.
        ignored = r"^[0-3]|\.[0-8]$"
        watching = source(
            registry.host, imageSelectionStrategy=strategy, ignoreTagsRegexes=[ignored]
        )
        access = Access(None, FAST, tmp_path)
        assert runner.run(mark(watching, access)).split("@")[0] in images.shown
        found = runner.run(watching.discover(access, limit=1, as_of=None))
        assert len(found.artifacts) == 1
        assert len(found.rejected) > 40_000
        assert loop.longest < 0.05


def test_twenty_thousand_known_builds_never_stop_the_loop(tmp_path):
    images = Images()
    for number in range(20):
        images.push(f"t{number}", created=f"2026-01-{number + 1:02}T00:00:00Z")
    shown = dict(images.shown)
    for number in range(20_000):
        images.shown[f"b{number}"] = shown[f"t{number % 20}"]

    with ScriptedRegistry(images) as registry, asyncio.Runner(loop_factory=MeasuredLoop) as runner:
        registry.script = _all_at_once(images)
        access = Access(None, FAST, tmp_path)
        watching = source(registry.host, imageSelectionStrategy="NewestBuild")
        runner.run(_remember(registry.host, images, tmp_path))
        runner.run(_warm(tmp_path / "warm"))
        registry.requests()
        loop = runner.get_loop()
        loop.longest = 0.0
        assert runner.run(mark(watching, access))
        assert len(registry.requests()) == 2
        assert loop.longest < 0.05


def test_reading_certificates_never_stops_the_loop(tmp_path):
    with asyncio.Runner(loop_factory=MeasuredLoop) as runner:
        runner.run(_warm(tmp_path))
        tls_context.cache_clear()
        loop = runner.get_loop()
        loop.longest = 0.0
        runner.run(_warm(tmp_path))
        assert tls_context.cache_info().misses == 1
        assert loop.longest < 0.02


def _all_at_once(images: Images) -> Callable[[Asked], Reply]:
    listed = json.dumps({"tags": list(images.shown)}).encode()

    def answer(asked: Asked) -> Reply:
        return Reply(body=listed) if asked.path.endswith("/list") else images(asked)

    return answer


async def _remember(host: str, images: Images, folder: Path) -> None:
    """Put into the cache what a first look at all tags would have."""
    cache, now = DiskCache(folder, size=FAST.repository_cache_size), time.time()
    seen = {
        tag: {"digest": digest, "at": now, "since": now} for tag, digest in images.shown.items()
    }
    await cache.put(f"tags verified {host}/acme/web", seen)
    facts = {}
    for number, digest in enumerate(dict.fromkeys(images.shown.values())):
        created = f"2026-01-{number + 1:02}T00:00:00+00:00"
        facts[digest] = {"fits": True, "created": created, "annotations": {}}
    await cache.put(f"images {host}/acme/web ", facts)


async def _warm(folder: Path) -> None:
    """Read certificates and start threads, which happens once in a process; and spare the collector the tests' own."""
    gc.freeze()
    with ScriptedRegistry(Images()) as registry:
        await source(registry.host).poll(Access(None, FAST, folder))


@pytest.mark.parametrize(("setting", "refused"), [(False, True), (True, False)])
async def test_a_registry_elsewhere_leads_to_this_machine_only_where_the_deployment_allows_it(
    tmp_path, setting, refused
):
    with ScriptedRegistry(Images()) as registry:
        # A name that is not this machine's, and resolves to it.
        watching = source(registry.host.replace("127.0.0.1", "127.1"))
        access = Access(None, SourceSettings(allow_loopback=setting), tmp_path)
        with pytest.raises(ArtifactError) as caught:
            await watching.poll(access)
    assert ("requests there are refused" in str(caught.value)) == refused


async def test_an_etag_that_cannot_be_sent_back_is_not_kept(tmp_path):
    images = Images()
    images.push("1.0.0")

    def script(asked: Asked) -> Reply:
        reply = images(asked)
        return replace(reply, headers={**reply.headers, "ETag": '"é"'})

    with ScriptedRegistry(script) as registry:
        access = Access(LOGIN, FAST, tmp_path)
        seen = await source(registry.host).poll(access)
        assert await source(registry.host).poll(access) == seen
