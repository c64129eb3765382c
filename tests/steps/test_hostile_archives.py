"""Archives that mean harm: each is refused as a whole, or does what its author may do, and nothing else is touched."""

from __future__ import annotations

import gzip
import io
import logging
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from airfreight.errors import TerminalStepError
from airfreight.steps.archive import MIB, ArchiveLimits
from airfreight.steps.untar import UntarConfig, UntarStep
from tests.steps.archives import Entry, archive, tree
from tests.steps.files import context_at

DIR, LINK, HARD = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


@pytest.fixture
def work(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    (work / "out").mkdir(parents=True)
    (work / "out/kept").write_text("kept")
    (tmp_path / "secret").write_text("safe")
    return work


def unpack(
    work: Path, content: bytes, limits: ArchiveLimits | None = None, ignore: str = ""
) -> dict[str, str]:
    (work / "x.tar").write_bytes(content)
    config = UntarConfig.model_validate({"inPath": "x.tar", "outPath": "out", "ignore": ignore})
    (UntarStep(limits) if limits else UntarStep()).run(config, context_at(work))
    return tree(work / "out")


def link(name: str, target: str) -> Entry:
    return Entry(name, kind=LINK, target=target)


def hard(name: str, target: str) -> Entry:
    return Entry(name, kind=HARD, target=target)


OUT = "leads out of outPath"
GIT = "leads into Git's own files"
CIRCLE = "in a circle, or through too many links"
DEEP_CHAIN = tuple(
    link(f"{'a/' * n}l{n}", "../" * n + f"{'a/' * (n + 1)}l{n + 1}") for n in range(45)
)
REFUSED: dict[str, tuple[tuple[Entry, ...], str]] = {
    "an absolute name": ((Entry("/etc/cron.d/x"),), OUT),
    "a parent": ((Entry("../secret", b"new"),), OUT),
    "a parent later": ((Entry("a/../../secret", b"new"),), OUT),
    "a parent that stays inside": ((Entry("a/../b"),), OUT),
    "a parent in a pax header": ((Entry("a", extra={"path": "../secret"}),), OUT),
    "a folder that is a parent": ((Entry("..", kind=DIR),), OUT),
    "a backslash": ((Entry("..\\secret"),), "has a backslash"),
    "NUL in a pax header": ((Entry("a", extra={"path": "a\0b"}),), "NUL"),
    "a link to an absolute name": ((link("a", "/etc/passwd"),), OUT),
    "a link to a parent": ((link("a", "../../secret"),), OUT),
    "a link to the folder above": ((link("a", ".."),), OUT),
    "a link to nothing": ((link("a", ""),), OUT),
    "a link through a link": (
        (link("d/e/up", "../.."), link("a", "d/e/up/../secret")),
        OUT,
    ),
    "a link that is followed later": ((link("a", "b/.."), link("b", "c/d"), link("c", "..")), OUT),
    "a file through a link": ((link("a", "b"), Entry("a/x", b"new")), "leads through 'a'"),
    "a file through a link that comes later": ((Entry("a/x"), link("a", "b")), "leads through 'a'"),
    "a file below a file": ((Entry("a"), Entry("a/x")), "leads through 'a', which is no folder"),
    "a file in the place of a link": ((link("a", "b"), Entry("a", b"new")), "is there twice"),
    "a link in the place of a file": ((Entry("a"), link("a", "b")), "is there twice"),
    "a link in the place of a folder": ((Entry("a", kind=DIR), link("a", "b")), "is there twice"),
    "two links of one name": ((link("a", "b"), link("./a", "c")), "is there twice"),
    "a link to itself": ((link("a", "a"),), CIRCLE),
    "links in a circle": ((link("a", "b/x"), link("b", "a")), CIRCLE),
    "a chain of 45 links": (DEEP_CHAIN, CIRCLE),
    "a chain of long names": (
        tuple(link("x" * 200 + str(n), f"{'y' * 200}/../" * 20 + "..") for n in range(3)),
        OUT,
    ),
    "a hard link out": ((hard("a", "/etc/passwd"),), "is no file that is unpacked before"),
    "a hard link to a parent": ((hard("a", "../secret"),), "is no file that is unpacked before"),
    "a hard link to a link": ((link("a", "b"), hard("c", "a")), "is no file that is unpacked"),
    "a hard link to what comes later": ((hard("a", "b"), Entry("b")), "is no file that is"),
    "Git's files in capitals": ((Entry("sub/.Git/config"),), GIT),
    "Git's files with an invisible letter": ((Entry(".g\u200cit/config"),), GIT),
    "Git's files in wide letters": ((Entry("\uff0egit/config"),), GIT),
    "Git's files as Windows has them": ((Entry("GIT~1/config"),), GIT),
    "Git's files with a dot at the end": ((Entry(".git./config"),), GIT),
    "Git's files as a stream": ((Entry(".git::$INDEX_ALLOCATION/config"),), GIT),
    "our own store": ((Entry(".airfreight/x"),), GIT),
    "a link to Git's files": ((link("a", ".git/config"),), GIT),
    "101 folders": ((Entry("a/" * 100 + "x"),), "deeper than 100 folders"),
}


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize(("entries", "message"), REFUSED.values(), ids=REFUSED)
def test_an_archive_that_means_harm_is_refused_as_a_whole(
    work: Path, entries: tuple[Entry, ...], message: str, compress: bool
) -> None:
    good = Entry("good", b"1")
    with pytest.raises(TerminalStepError, match=message):
        unpack(work, archive(good, *entries, good, compress=compress))
    assert tree(work / "out") == {"kept": "kept"}
    assert sorted(place.name for place in work.iterdir()) == ["out", "x.tar"]
    assert (work.parent / "secret").read_text() == "safe"


def test_ignore_gets_past_what_would_be_refused(work: Path) -> None:
    entries = (Entry("/etc/x"), Entry("bad/.GIT"), link("bad/up", "../.."), Entry("good", b"1"))
    assert unpack(work, archive(*entries), ignore="bad\n/etc") == {"good": "1"}


ODD: dict[str, tuple[tuple[Entry, ...], dict[str, str]]] = {
    "one name twice": ((Entry("a", b"1"), Entry("./a", b"2")), {"a": "2"}),
    "names that differ by case": ((Entry("a", b"1"), Entry("A", b"2")), {"A": "2", "a": "1"}),
    "names that differ by composition": (
        (Entry("\u00e9", b"1"), Entry("e\u0301", b"2")),
        {"e\u0301": "2", "\u00e9": "1"},
    ),
    "a name with a line break": ((Entry("a\nb", b"1"),), {"a\nb": "1"}),
    "a name that begins with a dash": ((Entry("--help", b"1"),), {"--help": "1"}),
    "only the root": ((Entry("./", kind=DIR),), {}),
    "a folder twice": ((Entry("a/b", b"1"), Entry("a", kind=DIR)), {"a/b": "1"}),
    "a link that stays inside": (
        (link("d/a", "../b"), link("here", "."), Entry("b", b"1")),
        {"b": "1", "d/a": "-> ../b", "here": "-> ."},
    ),
    "a link to what is not there": ((link("a", "none"),), {"a": "-> none"}),
    "Git's files": (
        (
            Entry(".git/hooks/pre-push", mode=0o755),
            Entry("sub/.git/config"),
            Entry("tree/.git", b"gitdir: ../x"),
            link("a/.git", "../../.."),
            Entry("sub/.gitignore", b"1"),
        ),
        {"sub/.gitignore": "1"},
    ),
    "no entry": ((), {}),
}


@pytest.mark.parametrize(("entries", "unpacked"), ODD.values(), ids=ODD)
def test_what_is_only_odd_is_unpacked(
    work: Path, entries: tuple[Entry, ...], unpacked: dict[str, str]
) -> None:
    assert unpack(work, archive(*entries)) == unpacked


@pytest.mark.parametrize(
    "kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE], ids=["char", "block", "pipe"]
)
def test_devices_and_pipes_are_left_out_with_a_word_in_the_log(
    work: Path, kind: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert unpack(work, archive(Entry("dev", kind=kind), Entry("a", b"1"))) == {"a": "1"}
    assert "'dev' is a device or a pipe: left out" in caplog.text


def zeros(*sizes: int) -> bytes:
    """Return a gzipped archive of files that are all zeros."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1) as packed:
        for number, size in enumerate(sizes):
            entry = tarfile.TarInfo(f"zeros-{number}")
            entry.size = size
            packed.write(entry.tobuf())
            for _ in range(size // MIB):
                packed.write(b"\0" * MIB)
            packed.write(b"\0" * (size % MIB + -size % tarfile.BLOCKSIZE))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((50 * MIB + 1,), "'zeros-0' is larger than 50 MiB"),
        ((50 * MIB, 50 * MIB, 1), "the files are larger than 100 MiB together"),
    ],
    ids=["one file", "all files"],
)
def test_a_bomb_is_refused_by_its_headers(work: Path, sizes: tuple[int, ...], message: str) -> None:
    with pytest.raises(TerminalStepError, match=message):
        unpack(work, zeros(*sizes))
    assert tree(work / "out") == {"kept": "kept"}


SMALL = ArchiveLimits(file=10, total=20, skipped=1000, headers=64 * 1024, entries=10, depth=3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive(*(Entry(str(n)) for n in range(11))), "more than 10 entries"),
        (archive(Entry("a/b/c/d")), "deeper than 3 folders"),
        (zeros(MIB), "larger than"),
        (
            archive(*(hard(str(n), "a") if n else Entry("a", b"1234567890") for n in range(3))),
            "MiB together",
        ),
        (archive(Entry("a", extra={"x": "y" * 70_000})), "its headers are too long together"),
        (archive(Entry("a", extra={"x": "y" * 300_000})), "no tar archive"),
    ],
    ids=["entries", "depth", "size", "hard links", "headers", "a header"],
)
def test_what_is_too_much_is_refused(work: Path, content: bytes, message: str) -> None:
    with pytest.raises(TerminalStepError, match=message):
        unpack(work, content, SMALL)


def test_what_is_ignored_may_not_be_endless_either(work: Path) -> None:
    with pytest.raises(TerminalStepError, match="unpacked it is longer than"):
        unpack(work, zeros(MIB, 1), SMALL, ignore="zeros-0")
    assert unpack(work, zeros(MIB, 1), ignore="zeros-0") == {"zeros-1": "\0"}


def test_the_memory_that_a_header_asks_for_is_not_given(work: Path) -> None:
    header = tarfile.TarInfo("a")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 64 * MIB
    content = gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + b"a" * 64 * MIB, compresslevel=1)
    tracemalloc.start()
    with pytest.raises(TerminalStepError, match="no tar archive"):
        unpack(work, content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * MIB


def test_a_sparse_file_counts_with_its_holes(work: Path) -> None:
    holes = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "big"}
    sparse = Entry(
        "x", b"1\n0\n0\n".ljust(512, b"\0"), extra={**holes, "GNU.sparse.realsize": str(1 << 40)}
    )
    with pytest.raises(TerminalStepError, match="'big' is larger than 50 MiB"):
        unpack(work, archive(sparse))


DAMAGED = {
    "empty": b"",
    "text": b"hello" * 200,
    "a zip": b"PK\3\4" + b"\0" * 1020,
    "half a header": archive(Entry("a", b"1"))[:300],
    "half a file": archive(Entry("a", b"1" * 2000))[:1024],
    "a second header that is damaged": archive(Entry("a", b"1"))[:1024] + b"x" * 512,
    "half a gzip": archive(Entry("a", b"1" * 20_000), compress=True)[:60],
    "gzip of text": gzip.compress(b"hello" * 200),
    "gzip's name only": b"\x1f\x8b",
    "a size below zero": archive(Entry("a", b"", size=-512), form=tarfile.GNU_FORMAT),
    "a size below zero in a pax header": archive(Entry("a", extra={"size": "-1536"}), Entry("b")),
    "a sparse map of letters": archive(
        Entry("a", b"x\n" * 256, extra={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"})
    ),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_what_is_no_archive_is_a_terminal_error(work: Path, content: bytes) -> None:
    with pytest.raises(TerminalStepError, match=r"x\.tar'( is no tar archive|: unpacked it is)"):
        unpack(work, content)
    assert tree(work / "out") == {"kept": "kept"}
