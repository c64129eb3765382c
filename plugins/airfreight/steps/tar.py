"""The step tar: a file or folder of the work directory as an archive, the same bytes whenever it runs."""

from __future__ import annotations

import gzip
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, cast

from backports import tarfile
from pydantic import Field

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.steps.archive import KARGO_LIMITS, ArchiveLimits, Contents
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.ignore import Ignored, IgnoreLines, kept_below
from airfreight.steps.new_file import new_file


class TarConfig(StepConfig):
    """Config of tar; `ignore` has the lines of a gitignore file."""

    in_path: str = Field(min_length=1)
    out_path: str = Field(min_length=1)
    ignore: IgnoreLines = ""
    gzip: bool = False


class TarStep(PromotionStep[TarConfig]):
    """Packs files, folders and symbolic links, sorted, dated by the Promotion's start and owned by nobody.

    Links are packed as links and never followed. Git's own files, devices and the archive itself are left out.
    """

    kind = "tar"
    config_type = TarConfig
    outside_effect = ""

    def __init__(self, limits: ArchiveLimits = KARGO_LIMITS) -> None:
        self._limits = limits

    def run(self, config: TarConfig, context: StepContext) -> StepResult:
        moment = int(context.started_at.timestamp())
        try:
            source, target = self._paths(config, context)
            # Before the new file is made: it may lie in the folder that is packed.
            entries = list(_entries(source, target, Ignored(config.ignore)))
            with new_file(target, 0o600) as file:
                self._pack(entries, file, moment, packed=config.gzip)
        except OSError as error:
            raise RetryableStepError(
                f"cannot pack {config.in_path!r} into {config.out_path!r}: {error.strerror or error}"
            ) from error
        return StepResult()

    @staticmethod
    def _paths(config: TarConfig, context: StepContext) -> tuple[Path, Path]:
        source = context.workdir.existing(config.in_path)
        target = context.workdir.existing(config.out_path)
        if not source.is_dir() and not source.is_file():
            raise TerminalStepError(
                f"inPath {config.in_path!r}: there is no such file or folder in the work directory"
            )
        if target.is_dir():
            raise TerminalStepError(f"outPath {config.out_path!r} is a folder")
        if target == source:
            raise TerminalStepError(f"outPath {config.out_path!r} is inPath itself")
        return source, target

    def _pack(
        self, entries: list[tuple[Path, str]], file: IO[bytes], moment: int, *, packed: bool
    ) -> None:
        contents = Contents(self._limits)
        with ExitStack() as open_files:
            if packed:
                # The name and date that gzip would write change from run to run.
                squeezed = gzip.GzipFile("", "wb", fileobj=file, mtime=moment)
                file = cast(IO[bytes], open_files.enter_context(squeezed))
            archive = open_files.enter_context(
                tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)
            )
            for place, name in entries:
                _add(archive, place, name, moment, contents)


def _entries(source: Path, target: Path, ignored: Ignored) -> Iterator[tuple[Path, str]]:
    """Yield what is packed, and its name in the archive."""
    if source.is_file():
        if not ignored.holds(source.name):
            yield source, source.name
        return
    for place in kept_below(source, ignored, links=True):
        if place != target:
            yield place, place.relative_to(source).as_posix()


def _add(archive: tarfile.TarFile, place: Path, name: str, moment: int, contents: Contents) -> None:
    entry = tarfile.TarInfo(name)
    found = place.lstat()
    entry.mtime = moment
    entry.mode = stat.S_IMODE(found.st_mode) & 0o777
    if stat.S_ISLNK(found.st_mode):
        entry.type = tarfile.SYMTYPE
        entry.linkname = os.readlink(place)
        archive.addfile(entry)
    elif stat.S_ISDIR(found.st_mode):
        entry.type = tarfile.DIRTYPE
        archive.addfile(entry)
    else:
        entry.size = found.st_size
        contents.add(name, entry.size)
        with place.open("rb") as file:
            archive.addfile(entry, file)
