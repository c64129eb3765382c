"""The step untar: the files of an archive, plain or gzipped, in a folder of the work directory."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, cast

from backports import tarfile
from pydantic import Field

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.steps.archive import KARGO_LIMITS, ArchiveLimits
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.ignore import Ignored, IgnoreLines
from airfreight.steps.untar_plan import Plan, Wanted, read_plan

_GZIP = b"\x1f\x8b"
_LONGEST_READ = 256 * 1024
_DAMAGED = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, RecursionError)


class UntarConfig(StepConfig):
    """Config of untar; `ignore` has the lines of a gitignore file, which see names after `strip_components`."""

    in_path: str = Field(min_length=1)
    out_path: str = Field(min_length=1)
    strip_components: int = Field(default=0, ge=0)
    ignore: IgnoreLines = ""


class UntarStep(PromotionStep[UntarConfig]):
    """Unpacks into a new folder, which then takes the place of what is at `outPath`: all of it or nothing.

    An archive with an entry that leads out, through a link, or under a guise into Git's own files is refused as a
    whole. `.git`, devices and pipes are left out. A hard link becomes a file of its own; owners, times and special
    mode bits are not kept.
    """

    kind = "untar"
    config_type = UntarConfig
    outside_effect = ""

    def __init__(self, limits: ArchiveLimits = KARGO_LIMITS) -> None:
        self._limits = limits

    def run(self, config: UntarConfig, context: StepContext) -> StepResult:
        try:
            source, target = _paths(config, context)
            with _archive_faults(config.in_path):
                self._unpack(source, target, config, context)
        except OSError as error:
            raise RetryableStepError(
                f"cannot unpack {config.in_path!r} into {config.out_path!r}:"
                f" {error.strerror or error}"
            ) from error
        return StepResult()

    def _unpack(
        self, source: Path, target: Path, config: UntarConfig, context: StepContext
    ) -> None:
        wanted = Wanted(config.strip_components, Ignored(config.ignore), self._limits)

        def on_special(name: str) -> None:
            context.log.warning("%r is a device or a pipe: left out", name)

        with _opened(source, self._limits) as archive:
            plan = read_plan(archive, wanted, on_special)
            with tempfile.TemporaryDirectory(
                prefix=".untar-", dir=context.workdir.root, ignore_cleanup_errors=True
            ) as staging:
                made, replaced = Path(staging, "new"), Path(staging, "old")
                made.mkdir()
                _write(archive, plan, made)
                target.parent.mkdir(parents=True, exist_ok=True)
                if target.exists():
                    target.rename(replaced)
                made.rename(target)


def _paths(config: UntarConfig, context: StepContext) -> tuple[Path, Path]:
    source = context.workdir.existing(config.in_path)
    target = context.workdir.existing(config.out_path)
    if not source.is_file():
        raise TerminalStepError(
            f"inPath {config.in_path!r}: there is no such file in the work directory"
        )
    if target == context.workdir.root.resolve():
        raise TerminalStepError("outPath is the work directory itself, which would be replaced")
    if target.exists() and not target.is_dir():
        raise TerminalStepError(f"outPath {config.out_path!r} is a file")
    if (target / ".git").exists():
        raise TerminalStepError(
            f"outPath {config.out_path!r} is a Git checkout, which would be replaced:"
            " unpack into a folder in it"
        )
    return source, target


@contextmanager
def _archive_faults(shown: str) -> Iterator[None]:
    try:
        yield
    except TerminalStepError as error:
        raise TerminalStepError(f"archive {shown!r}: {error}") from error
    except _DAMAGED as error:
        raise TerminalStepError(
            f"inPath {shown!r} is no tar archive, plain or gzipped, or it is damaged"
        ) from error


@contextmanager
def _opened(place: Path, limits: ArchiveLimits) -> Iterator[tarfile.TarFile]:
    with ExitStack() as open_files:
        file: IO[bytes] = open_files.enter_context(place.open("rb"))
        magic = file.read(len(_GZIP))
        file.seek(0)
        if magic == _GZIP:
            file = cast(IO[bytes], open_files.enter_context(gzip.GzipFile(fileobj=file)))
        bounded = cast(IO[bytes], _Bounded(file, limits))
        yield open_files.enter_context(tarfile.open(fileobj=bounded, mode="r:"))


class _Bounded:
    """The unpacked archive as tarfile sees it; refuses what would cost too much memory or time."""

    def __init__(self, file: IO[bytes], limits: ArchiveLimits) -> None:
        self._file = file
        self._end = limits.skipped + limits.total + limits.headers
        self._left = limits.total + limits.headers

    def read(self, size: int) -> bytes:
        # A negative size is a damaged header's; tarfile would read all.
        if not 0 <= size <= _LONGEST_READ:
            raise tarfile.ReadError("a header is too long")
        content = self._file.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise TerminalStepError("its headers are too long together")
        return content

    def seek(self, offset: int) -> int:
        if offset > self._end:
            raise TerminalStepError(f"unpacked it is longer than {self._end:,} bytes")
        return self._file.seek(offset)

    def tell(self) -> int:
        return self._file.tell()


def _write(archive: tarfile.TarFile, plan: Plan, root: Path) -> None:
    """Write folders and files, in the archive's order; then the links, so that none is ever written through."""
    for parts in (parts for parts, entry in plan.items() if entry.isdir()):
        root.joinpath(*parts).mkdir(parents=True, exist_ok=True)
    written: dict[int, Path] = {}
    files = [(parts, entry) for parts, entry in plan.items() if entry.isreg()]
    for parts, entry in sorted(files, key=lambda item: item[1].offset_data):
        place = root.joinpath(*parts)
        place.parent.mkdir(parents=True, exist_ok=True)
        earlier = written.setdefault(entry.offset_data, place)
        _write_file(archive, entry, place, earlier)
    for parts, entry in plan.items():
        if entry.issym():
            place = root.joinpath(*parts)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(entry.linkname, place)


def _write_file(
    archive: tarfile.TarFile, entry: tarfile.TarInfo, place: Path, earlier: Path
) -> None:
    """Write one file; a hard link's content from the file that has it, since going back in an archive is dear."""
    content = archive.extractfile(entry) if earlier == place else earlier.open("rb")
    allowed = tarfile.data_filter(entry, str(place.parent))
    if content is None or allowed.mode is None:
        raise tarfile.ReadError("a file without content or mode")
    with content, place.open("xb") as file:
        shutil.copyfileobj(content, file)
        os.fchmod(file.fileno(), allowed.mode)
