"""One mirror for everybody on a machine: who fetches, who reads, and what happens to it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from airfreight.errors import ArtifactError, AuthenticationError, SettingsError
from airfreight.model.credential import Credential
from tests.git_damage import flip_bytes
from tests.git_http import GitHttpServer, git
from tests.sources.watched import Watched, subscribe, within

PASSWORD = "s3cret/ü+token"


@pytest.fixture
def filled(app: Watched) -> Watched:
    for part in ("a", "b", "c"):
        app.commit(f"first of {part}", f"{part}/file")
    app.git("tag", "v1.0.0")
    app.push()
    return app


def mirrors(watched: Watched) -> list[Path]:
    return sorted((watched.cache / "git" / "mirrors").glob("*.git"))


def files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


async def test_a_steady_poll_asks_the_server_once_and_runs_nothing_else(filled: Watched) -> None:
    sources = [
        subscribe(filled.url, branch="main", includePaths=[part]) for part in ("a", "b", "c")
    ]
    access = filled.access
    seen = await sources[0].poll(access)
    first = [await source.mark(seen, access) for source in sources]
    server = filled.server
    assert (server.packs, server.listings) == (1, 2)  # the poll's listing and the fetch's
    shutil.rmtree(mirrors(filled)[0])  # nobody may need it
    again = await sources[0].poll(access)
    assert [await source.mark(again, access) for source in sources] == first
    assert (server.packs, server.listings) == (1, 3)


async def test_many_who_see_one_change_fetch_it_once_and_only_those_wake_whom_it_concerns(
    filled: Watched,
) -> None:
    sources = {
        part: subscribe(filled.url, includePaths=[part]) for part in ("a", "b", "c", "nothing")
    }
    access = filled.access

    async def marks() -> dict[str, str]:
        seen = await sources["a"].poll(access)
        found = await asyncio.gather(*(one.mark(seen, access) for one in sources.values()))
        return dict(zip(sources, found, strict=True))

    before = await marks()
    assert before["nothing"] == ""
    new = filled.commit("second of b", "b/file")
    filled.commit("elsewhere", "d/file")
    filled.push()
    assert await marks() == {**before, "b": new}
    assert filled.server.packs == 2


async def test_a_change_that_concerns_nobody_is_not_fetched(filled: Watched) -> None:
    source = subscribe(filled.url, branch="main")
    mark = await filled.mark(source)
    filled.git("checkout", "--quiet", "-b", "other")
    filled.commit("other", "a/file")
    filled.push()
    assert await filled.mark(source) == mark
    assert filled.server.packs == 1


async def test_discovery_in_another_process_uses_what_the_watcher_fetched(filled: Watched) -> None:
    await filled.mark(subscribe(filled.url))
    assert await filled.taken(limit=1) == ["first of c"]
    assert filled.server.packs == 1


async def test_a_filter_that_reads_the_clock_is_asked_at_every_poll(filled: Watched) -> None:
    begin = time.time()
    filter_ = f"now().Unix() >= {int(begin) + 3}"
    source = subscribe(filled.url, expressionFilter=filter_)
    assert await filled.mark(source) == ""
    await asyncio.sleep(max(0.0, int(begin) + 3.2 - time.time()))
    assert await filled.mark(source) == filled.git("rev-parse", "HEAD")
    assert filled.server.packs == 1


async def test_a_mirror_holds_no_file_contents_no_address_and_no_login(
    filled: Watched, tmp_path: Path
) -> None:
    filled.server.user, filled.server.password = "robot", PASSWORD
    (filled.work / "big").write_bytes(os.urandom(1 << 20))
    filled.commit("big file")
    filled.push()
    own = filled.at(credential=Credential("robot", PASSWORD))
    await own.mark(subscribe(own.url, includePaths=["a"]))
    assert filled.server.sent < 20_000
    for file in files(own.cache):
        content = file.read_bytes()
        assert b"s3cret" not in content
        assert b"127.0.0.1" not in content
        assert b"robot" not in content


async def test_a_server_that_knows_no_filter_sends_everything_and_it_works(filled: Watched) -> None:
    git("config", "uploadpack.allowFilter", "false", cwd=filled.server.path("app"))
    assert await filled.taken(includePaths=["b"]) == ["first of b"]


async def test_who_may_not_see_a_repository_gets_nothing_out_of_its_mirror(filled: Watched) -> None:
    filled.server.user, filled.server.password = "robot", PASSWORD
    owner = filled.at(credential=Credential("robot", PASSWORD))
    source = subscribe(filled.url)
    seen = await source.poll(owner.access)
    await source.mark(seen, owner.access)
    for credential in (None, Credential("robot", "guessed"), Credential("other", PASSWORD)):
        stranger = filled.at(credential=credential)
        with pytest.raises(AuthenticationError):
            await stranger.mark(source)
        with pytest.raises(AuthenticationError):
            await source.discover(stranger.access, limit=1, as_of=None)


async def test_a_renewed_token_uses_the_same_mirror_and_another_user_has_his_own(
    filled: Watched,
) -> None:
    source = subscribe(filled.url)
    for user, password in (("robot", "old"), ("robot", "new"), ("other", "old")):
        filled.server.user, filled.server.password = user, password
        await filled.at(credential=Credential(user, password)).found()
    assert len(mirrors(filled)) == 2
    assert filled.server.packs == 2
    assert source.credential_kind == "git"


def damage_pack(mirror: Path) -> None:
    (pack,) = mirror.glob("objects/pack/*.pack")
    pack.chmod(0o600)
    pack.write_bytes(pack.read_bytes()[:100])


def lose_objects(mirror: Path) -> None:
    shutil.rmtree(mirror / "objects")


def lose_head(mirror: Path) -> None:
    (mirror / "HEAD").unlink()


def leave_lock(mirror: Path) -> None:
    (mirror / "packed-refs.lock").touch()
    (mirror / "config.lock").touch()


def empty_refs(mirror: Path) -> None:
    (mirror / "packed-refs").write_text("garbage\n")


def unfinished(mirror: Path) -> None:
    (mirror / "fetched").unlink()


@pytest.mark.parametrize(
    "damage", [damage_pack, flip_bytes, lose_objects, lose_head, leave_lock, empty_refs, unfinished]
)
async def test_a_mirror_that_git_cannot_use_is_made_anew(
    filled: Watched, damage: Callable[[Path], None]
) -> None:
    await filled.found()
    damage(mirrors(filled)[0])
    new = filled.commit("after", "a/file")
    filled.git("tag", "v2.0.0")
    filled.push()
    source = subscribe(filled.url, includePaths=["a"])
    assert await filled.mark(source) == new
    assert await filled.taken(commitSelectionStrategy="SemVer") == ["v2.0.0", "v1.0.0"]
    assert await filled.taken(includePaths=["c"]) == ["first of c"]


HOLDER = """
import sys, fcntl, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


class LockHolder:
    """A process that holds a lock until it is killed."""

    def __init__(self, lock: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE
        )
        assert self._process.stdout
        self._process.stdout.readline()

    def close(self) -> None:
        with self._process:
            self._process.kill()


async def test_the_lock_of_a_killed_process_holds_up_nobody(filled: Watched) -> None:
    await filled.found()
    lock = mirrors(filled)[0].with_suffix(".lock")
    new = filled.commit("after", "a/file")
    filled.push()
    with closing(LockHolder(lock)) as holder:
        waiting = asyncio.create_task(filled.mark(subscribe(filled.url)))
        await asyncio.sleep(1)
        assert not waiting.done()
        holder.close()
    assert await asyncio.wait_for(waiting, 30) == new


async def test_what_a_killed_process_left_half_made_is_in_nobodys_way(filled: Watched) -> None:
    await filled.found()
    (place,) = mirrors(filled)
    new, old = place.with_suffix(".new"), place.with_suffix(".old")
    shutil.copytree(place, old)
    place.rename(new)  # it was to take the place of the old one
    (new / "HEAD").unlink()
    assert await filled.taken(limit=1) == ["first of c"]
    assert [place.exists(), new.exists(), old.exists()] == [True, False, False]


async def test_marks_that_cannot_be_read_are_found_again(filled: Watched) -> None:
    source = subscribe(filled.url)
    mark = await filled.mark(source)
    for text in ("", "[]", '{"concern": 1}', "\udcff"):
        (place,) = (filled.cache / "git" / "marks").glob("*.json")
        place.write_bytes(text.encode("utf-8", "surrogateescape"))
        assert await filled.mark(source) == mark


async def test_a_folder_that_cannot_be_written_is_a_clear_error(
    filled: Watched, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    blocked = filled.at(cache=tmp_path / "file" / "cache")
    with pytest.raises(ArtifactError) as caught:
        await blocked.found()
    assert str(caught.value).startswith(
        f"the folder for Git mirrors, {tmp_path}/file/cache/git, cannot be used: "
    )


async def test_a_cache_folder_that_others_may_write_to_is_refused_before_git_runs_there(
    filled: Watched,
) -> None:
    await filled.found()
    filled.cache.chmod(0o777)
    listings = filled.server.listings
    with pytest.raises(SettingsError, match="may be written by others"):
        await filled.found()
    assert filled.server.listings == listings


async def test_mirrors_wanted_longest_ago_go_first_and_never_one_in_use(
    server: GitHttpServer, tmp_path: Path
) -> None:
    apps = []
    for number in range(4):
        one = Watched(server, tmp_path / f"work{number}", tmp_path / "cache", name=f"app{number}")
        one.commit("grow", *(os.urandom(100).hex() for _ in range(40)))  # does not compress
        one.push()
        apps.append(one)
    places = []
    for age, one in enumerate(apps[:3]):
        await one.found()
        (place,) = set(mirrors(one)) - set(places)
        places.append(place)
        os.utime(place.with_suffix(".use"), (0, time.time() - 3000 + age * 1000))
    size = sum(file.stat().st_size for file in places[0].rglob("*.pack"))
    room = within(apps[3].settings, max_git_mirrors_size=int(3.5 * size))
    with closing(Reader(places[0].with_suffix(".use"))):
        await apps[3].at(settings=room).found()
    assert [place.exists() for place in places] == [True, False, True]
    old = within(apps[3].settings, git_mirror_expiry=3600)
    os.utime(places[2].with_suffix(".use"), (0, 0))
    apps[3].commit("more", "x")
    apps[3].push()
    await apps[3].at(settings=old).found()
    assert [place.exists() for place in places] == [True, False, False]
    assert await apps[1].taken(limit=1) == ["grow"]


class Reader:
    """A reader of a mirror."""

    def __init__(self, place: Path) -> None:
        self._descriptor = os.open(place, os.O_RDWR)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def close(self) -> None:
        os.close(self._descriptor)


def split_into_many_packs(mirror: Path) -> Path:
    """Return the folder of the packs, each as small as a fetch of one commit."""
    packs = mirror / "objects" / "pack"
    (pack,) = packs.glob("*.pack")
    for number in range(51):
        for kind in (".pack", ".idx", ".promisor"):
            shutil.copy(pack.with_suffix(kind), packs / f"pack-{number:040x}{kind}")
    return packs


async def test_many_fetches_leave_few_packs(filled: Watched) -> None:
    await filled.found()
    packs = split_into_many_packs(mirrors(filled)[0])
    new = filled.commit("after", "a/file")
    filled.push()
    assert await filled.mark(subscribe(filled.url)) == new
    assert len(list(packs.glob("*.pack"))) < 3
    assert await filled.taken(includePaths=["a"]) == ["after", "first of a"]


async def test_upkeep_that_does_not_end_fails_no_fetch(filled: Watched) -> None:
    await filled.found()
    (place,) = mirrors(filled)
    split_into_many_packs(place)
    git("--git-dir=.", "config", "core.packedRefsTimeout", "-1", cwd=place)
    (place / "packed-refs.lock").touch()  # git waits for it for ever
    new = filled.commit("after", "a/file")
    filled.push()
    hurried = filled.at(settings=within(filled.settings, git_fetch_timeout=10))
    assert await hurried.mark(subscribe(filled.url)) == new


async def test_what_a_killed_fetch_left_is_gone_after_the_next(filled: Watched) -> None:
    await filled.found()
    packs = mirrors(filled)[0] / "objects" / "pack"
    left = [packs / "tmp_pack_Xa3b9Q", packs / ".tmp-4711-pack-0123.pack"]
    for file in left:
        file.write_bytes(b"PACK half of it")
    filled.commit("after", "a/file")
    filled.push()
    assert await filled.taken(limit=1) == ["after"]
    assert not any(file.exists() for file in left)
    assert filled.server.packs == 2  # the mirror was not made anew
