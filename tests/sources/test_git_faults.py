"""What goes wrong at a Git server, what is said then, and that the next look is right again."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from airfreight.artifacts.git_limits import GitLimits, run_limited
from airfreight.artifacts.git_refs import MOST_REFS, parse_refs
from airfreight.errors import ArtifactError, AuthenticationError, NotFoundError, TransientError
from airfreight.model.credential import Credential
from airfreight.model.subscription import GitSubscription
from airfreight.sources.backoff import Backoff
from airfreight.sources.base import SourceSettings
from airfreight.sources.git import GitSource
from tests.certificates import private_authority
from tests.git_http import GitHttpServer, git
from tests.git_ssh import GitSshServer
from tests.git_trees import tree_of_paths
from tests.sources.watched import SETTINGS, Watched, subscribe, within

PASSWORD = "s3cret/ü+token"
LOGIN = Credential("robot", PASSWORD)
WRONG = Credential("robot", "s3cret-but-wrong")


@pytest.fixture
def filled(app: Watched) -> Watched:
    app.commit("one", "a/file")
    app.git("tag", "v1.0.0")
    app.push()
    return app


async def told(watched: Watched, error: type[Exception] = ArtifactError, **fields: str) -> str:
    """Return the message of a look that fails; it holds no password."""
    with pytest.raises(error) as caught:
        await watched.found(**fields)
    assert type(caught.value) is error
    message = str(caught.value).replace(watched.url, "<url>")
    assert "s3cret" not in message
    return message


@dataclass(frozen=True)
class Fault:
    """What is wrong with server or login, and what has to be said."""

    error: type[Exception]
    message: str
    begin: Callable[[GitHttpServer], None] = lambda server: None
    end: Callable[[GitHttpServer], None] = lambda server: None
    credential: Credential | None = LOGIN


def answer(status: int) -> Callable[[GitHttpServer], None]:
    return lambda server: setattr(server, "status", status)


def gone(server: GitHttpServer) -> None:
    server.path("app").rename(server.root / "away")


def back(server: GitHttpServer) -> None:
    (server.root / "away").rename(server.path("app"))


def cut(bytes_: int | None) -> Callable[[GitHttpServer], None]:
    return lambda server: setattr(server, "cut", bytes_)


LIST = "git ls-remote with <url> failed: fatal: "
FAULTS = {
    "401": Fault(
        AuthenticationError, f"{LIST}Authentication failed for '<url>/'", credential=WRONG
    ),
    "no login": Fault(
        AuthenticationError,
        f"{LIST}could not read Username for '<origin>': terminal prompts disabled",
        credential=None,
    ),
    "403": Fault(
        AuthenticationError,
        f"{LIST}unable to access '<url>/': The requested URL returned error: 403",
        answer(403),
        answer(0),
    ),
    "missing repository": Fault(NotFoundError, f"{LIST}repository '<url>/' not found", gone, back),
    "404": Fault(NotFoundError, f"{LIST}repository '<url>/' not found", answer(404), answer(0)),
    "429": Fault(
        TransientError,
        f"{LIST}unable to access '<url>/': The requested URL returned error: 429",
        answer(429),
        answer(0),
    ),
    "500": Fault(
        TransientError,
        f"{LIST}unable to access '<url>/': The requested URL returned error: 500",
        answer(500),
        answer(0),
    ),
    "cut short": Fault(
        TransientError,
        f"{LIST}unable to access '<url>/': transfer closed with … bytes remaining to read",
        cut(30),
        cut(None),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_told_and_passes_without_help(filled: Watched, name: str) -> None:
    fault = FAULTS[name]
    filled.server.user, filled.server.password = LOGIN.username, LOGIN.password
    fault.begin(filled.server)
    message = await told(filled.at(credential=fault.credential), fault.error)
    origin = filled.url.rpartition("/")[0]
    message = re.sub(r"with \d+ bytes", "with … bytes", message.replace(origin, "<origin>"))
    assert message == fault.message
    fault.end(filled.server)
    assert await filled.at(credential=LOGIN).taken() == ["one"]


async def test_a_server_that_is_down_is_told_and_its_return_is_seen(
    server: GitHttpServer, filled: Watched, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/app.git"
    with pytest.raises(TransientError) as caught:
        await subscribe(url).poll(filled.access)
    assert str(caught.value) == (
        f"git ls-remote with {url} failed: fatal: unable to access '{url}/': "
        "Can't complete SOCKS5 connection to 127.0.0.1. (4); "
        f"Failed to connect to 127.0.0.1 port {port}: Connection refused"
    )


async def test_a_server_that_fails_in_the_middle_of_a_fetch_is_told_to_all_who_wait_and_asked_once(
    filled: Watched,
) -> None:
    source = subscribe(filled.url)
    seen = await source.poll(filled.access)
    filled.server.cut = 200
    before = filled.server.listings
    looks = (subscribe(filled.url, includePaths=[f"{n}"]).mark(seen, filled.access) for n in "abc")
    errors = await asyncio.gather(*looks, return_exceptions=True)
    assert {type(error) for error in errors} == {TransientError}
    assert {str(error).split(" failed: ")[0] for error in errors} == {
        f"git clone with {filled.url}"
    }
    assert filled.server.listings == before + 1
    filled.server.cut = None
    assert await source.mark(seen, filled.access) == filled.git("rev-parse", "HEAD")


async def test_a_server_that_drips_is_given_up_after_the_time_that_a_poll_may_take(
    filled: Watched,
) -> None:
    filled.server.drip = 0.2
    hurried = filled.at(settings=within(SETTINGS, git_poll_timeout=1.5))
    started = time.monotonic()
    assert await told(hurried, TransientError) == (
        "git ls-remote with <url> was ended: it took more than 1.5 s"
    )
    assert time.monotonic() - started < 10
    filled.server.drip = 0.0
    assert await filled.taken() == ["one"]


async def test_a_fetch_that_drips_is_given_up_too(filled: Watched) -> None:
    source = subscribe(filled.url)
    seen = await source.poll(filled.access)
    filled.server.drip = 0.2
    hurried = filled.at(settings=within(SETTINGS, git_fetch_timeout=1.5))
    with pytest.raises(TransientError) as caught:
        await source.mark(seen, hurried.access)
    assert str(caught.value) == (f"git clone with {filled.url} was ended: it took more than 1.5 s")
    filled.server.drip = 0.0
    assert await subscribe(filled.url).mark(seen, filled.access)


async def test_a_mark_that_failed_is_left_alone_for_a_while(filled: Watched) -> None:
    now = 0.0
    subscription = GitSubscription.model_validate({"repoURL": filled.url})
    source = GitSource(subscription, "app", Backoff(lambda: now))
    seen = await source.poll(filled.access)
    filled.server.cut = 200
    with pytest.raises(TransientError):
        await source.mark(seen, filled.access)
    filled.server.cut = None
    asked = filled.server.listings
    with pytest.raises(TransientError, match=r"; it is asked again in \d+ s$"):
        await source.mark(seen, filled.access)
    assert filled.server.listings == asked
    now = 60.0
    assert await source.mark(seen, filled.access) == filled.git("rev-parse", "HEAD")


async def test_a_repository_beyond_the_size_of_all_mirrors_is_told(filled: Watched) -> None:
    filled.commit("big", *(os.urandom(100).hex() for _ in range(80)))
    filled.push()
    small = filled.at(settings=within(SETTINGS, max_git_mirrors_size=5000))
    message = await told(small)
    assert message == (
        "git clone with <url> failed: fatal: fetch-pack: invalid index-pack output\n"
        "The disk may be full, or the repository larger than the setting max_git_mirrors_size"
    )
    assert await filled.taken() == ["big", "one"]


async def test_a_commit_that_needs_more_memory_than_the_setting_allows_is_told(
    filled: Watched,
) -> None:
    bare = filled.server.path("app")
    git("update-ref", "refs/heads/main", tree_of_paths(bare, levels=6), cwd=bare)
    little = filled.at(settings=within(SETTINGS, max_git_memory=128 * 2**20))
    message = await told(little, include_paths=("glob:nothing/**",))
    assert message == (
        f"git log was ended: it needed more than {128 * 2**20} bytes of memory; the setting "
        "max_git_memory may allow more"
    )


def test_a_program_that_prints_too_much_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"^it printed more than 1000 bytes$"):
        run_limited(["yes"], tmp_path, {}, GitLimits(seconds=60, output=1000))


async def test_no_look_holds_up_the_loop(filled: Watched) -> None:
    filled.server.drip = 0.05
    hurried = filled.at(settings=within(SETTINGS, git_poll_timeout=2))
    looks = asyncio.gather(
        *(subscribe(filled.url).poll(hurried.access) for _ in range(12)), return_exceptions=True
    )
    await asyncio.sleep(0.5)  # the threads start
    late = 0.0
    while not looks.done():
        started = time.monotonic()
        await asyncio.sleep(0.01)
        await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80)
        late = max(late, time.monotonic() - started)
    assert late < 1
    await looks


@pytest.fixture
def https(tmp_path: Path) -> Iterator[tuple[Watched, str]]:
    authority, context = private_authority(tmp_path)
    with GitHttpServer(tmp_path / "tls", LOGIN.username, LOGIN.password, context) as server:
        app = Watched(server, tmp_path / "tls-work", tmp_path / "cache", credential=LOGIN)
        app.settings = SourceSettings(allow_loopback=True)
        app.commit("one", "a/file")
        app.push()
        yield app, authority


async def test_a_certificate_that_nobody_vouches_for_is_told(https: tuple[Watched, str]) -> None:
    app, authority = https
    message = re.sub(r"CAfile: \S+", "CAfile: <machine's>", await told(app, ArtifactError))
    assert message == (
        f"{LIST}unable to access '<url>/': server certificate verification failed. CAfile: <machine's> "
        "CRLfile: none\nWhere a private authority signed the certificate, put the authority's own "
        "into `ca_certificate` of the Connection's extra"
    )
    assert app.server.authorizations == []
    trusting = Credential("robot", PASSWORD, ca_certificate=authority)
    assert await app.at(credential=trusting).taken() == ["one"]
    assert await app.taken(insecureSkipTLSVerify=True) == ["one"]


async def test_a_repository_that_moved_is_followed_and_its_new_host_gets_no_login(
    filled: Watched, tmp_path: Path
) -> None:
    login = filled.at(credential=LOGIN)
    filled.server.user, filled.server.password = LOGIN.username, LOGIN.password
    assert await login.taken() == ["one"]
    with GitHttpServer(tmp_path / "elsewhere") as elsewhere:
        moved = Watched(elsewhere, tmp_path / "moved", tmp_path / "cache")
        moved.commit("one", "a/file")
        moved.commit("two", "a/file")
        moved.push()
        old_url, filled.server.redirects["app"] = filled.url, moved.url
        assert await login.taken() == ["two", "one"]
        assert elsewhere.authorizations == []
        elsewhere.user, elsewhere.password = "robot", "another"
        message = await told(login, AuthenticationError)
        assert message.replace(moved.url.rpartition("/")[0], "<new>") == (
            "git ls-remote with <url> failed: fatal: could not read Username for '<new>': terminal prompts disabled"
        )
        assert elsewhere.authorizations == []
        assert old_url == filled.url


async def test_a_branch_that_was_force_pushed_is_followed(filled: Watched) -> None:
    source = subscribe(filled.url, includePaths=["a"])
    filled.commit("two", "a/file")
    filled.push()
    await filled.mark(source)
    filled.git("reset", "--quiet", "--hard", "HEAD~1")
    other = filled.commit("other", "b/file")
    filled.push()
    assert await filled.mark(source) == filled.git("rev-parse", f"{other}~1")
    assert await filled.taken() == ["other", "one"]


async def test_a_tag_that_moves_is_another_mark(filled: Watched) -> None:
    source = subscribe(filled.url, commitSelectionStrategy="SemVer")
    first = await filled.mark(source)
    two = filled.commit("two", "a/file")
    filled.git("tag", "--force", "v1.0.0")
    filled.push()
    assert await filled.mark(source) == f"v1.0.0@{two}" != first
    filled.git("tag", "--delete", "v1.0.0")
    git("tag", "--delete", "v1.0.0", cwd=filled.server.path("app"))
    assert await filled.mark(source) == ""


async def test_a_branch_that_is_gone_is_told_and_seen_when_it_returns(filled: Watched) -> None:
    assert await told(filled, NotFoundError, branch="release") == "there is no branch 'release'"
    filled.git("checkout", "--quiet", "-b", "release")
    filled.push()
    source = subscribe(filled.url, branch="release")
    mark = await filled.mark(source)
    git("branch", "--delete", "--force", "release", cwd=filled.server.path("app"))
    with pytest.raises(NotFoundError, match=r"^there is no branch 'release'$"):
        await filled.mark(source)
    filled.push()
    assert await filled.mark(subscribe(filled.url, branch="release")) == mark


async def test_a_default_branch_that_is_gone_is_told(filled: Watched) -> None:
    git("symbolic-ref", "HEAD", "refs/heads/gone", cwd=filled.server.path("app"))
    assert await told(filled, NotFoundError) == (
        "there is no default branch; say which one with branch"
    )


async def test_an_empty_repository_shows_nothing(app: Watched) -> None:
    for fields in ({}, {"commitSelectionStrategy": "NewestTag"}):
        source = subscribe(app.url, **fields)
        assert await app.mark(source) == ""
        found = await app.found(**fields)
        assert (found.artifacts, found.mark) == ((), "")
    assert await told(app, NotFoundError, branch="main") == (
        "there is no branch 'main': the repository is empty"
    )
    app.commit("one")
    app.push()
    assert await app.taken() == ["one"]


def add_tags(watched: Watched, count: int) -> None:
    bare = watched.server.path("app")
    lines = (f"reset refs/tags/v1.0.{n}\nfrom refs/heads/main^0\n\n" for n in range(1, count + 1))
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=bare, input="".join(lines).encode(), check=True
    )


async def test_ten_thousand_tags_are_read_in_seconds(filled: Watched) -> None:
    add_tags(filled, 10_000)
    started, own = time.monotonic(), time.thread_time()
    found = await filled.found(limit=3, commitSelectionStrategy="SemVer", expressionFilter="true")
    assert [one.artifact.tag for one in found.artifacts if hasattr(one.artifact, "tag")] == [
        "v1.0.10000",
        "v1.0.9999",
        "v1.0.9998",
    ]
    newest = await filled.found(limit=1, commitSelectionStrategy="NewestTag")
    assert newest.mark.startswith("v1.0.0@")
    source = subscribe(filled.url, commitSelectionStrategy="Lexical")
    assert (await filled.mark(source)).startswith("v1.0.9999@")
    assert time.thread_time() - own < 0.1  # the loop's own share of all three
    assert time.monotonic() - started < 60
    assert filled.server.packs == 1


def test_a_server_that_never_stops_listing_is_given_up() -> None:
    line = "0" * 40 + "\trefs/heads/x"
    with pytest.raises(ArtifactError) as caught:
        parse_refs("\n".join([line] * (2 * MOST_REFS + 1)))
    assert str(caught.value) == f"the repository has more than {MOST_REFS} branches and tags"


def test_what_is_no_list_of_refs_is_told() -> None:
    with pytest.raises(ArtifactError) as caught:
        parse_refs("<html>")
    assert str(caught.value) == "the server lists refs in a form that is not Git's: '<html>'"


@pytest.fixture
def ssh(filled: Watched, tmp_path: Path) -> Iterator[GitSshServer]:
    with GitSshServer(tmp_path / "ssh", filled.server.root) as server:
        yield server


async def test_a_repository_is_watched_over_ssh(filled: Watched, ssh: GitSshServer) -> None:
    login = Credential("git", "", ssh_private_key=ssh.private_key, known_hosts=ssh.known_hosts)
    access = filled.at(credential=login, settings=SourceSettings(allow_loopback=True)).access
    source = subscribe(ssh.url("app"), includePaths=["a"])
    seen = await source.poll(access)
    assert await source.mark(seen, access) == filled.git("rev-parse", "HEAD")
    found = await source.discover(access, limit=5, as_of=None)
    assert [
        one.artifact.repo_url for one in found.artifacts if hasattr(one.artifact, "repo_url")
    ] == [ssh.url("app")]
    unknown = Credential("git", "", ssh_private_key=ssh.private_key)
    with pytest.raises(AuthenticationError, match="Host key verification failed"):
        await source.poll(filled.at(credential=unknown).access)
    with pytest.raises(NotFoundError, match="does not appear to be a git repository"):
        await subscribe(ssh.url("missing")).poll(access)
