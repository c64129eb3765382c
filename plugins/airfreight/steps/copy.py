"""The step copy: files and folders from one place of the work directory to another."""

from __future__ import annotations

import shutil
from pathlib import Path

from pydantic import Field

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.ignore import Ignored, IgnoreLines, is_git, kept_below


class CopyConfig(StepConfig):
    """Config of copy; `ignore` has the lines of a gitignore file."""

    in_path: str = Field(min_length=1)
    out_path: str = Field(min_length=1)
    ignore: IgnoreLines = ""


class CopyStep(PromotionStep[CopyConfig]):
    """Copies recursively and merges into what is there; leaves out links, `.git` and what `ignore` names.

    Nothing is ever written through a link or into a `.git` folder, where Git would run it.
    """

    kind = "copy"
    config_type = CopyConfig
    outside_effect = ""

    def run(self, config: CopyConfig, context: StepContext) -> StepResult:
        source = context.workdir.existing(config.in_path)
        target = context.workdir.existing(config.out_path)
        self._check(source, target, config, context)
        ignored = Ignored(config.ignore)
        try:
            if source.is_dir():
                _copy_tree(source, target, ignored)
            elif not ignored.holds(source.name):
                _copy_file(source, target)
        except OSError as error:
            raise RetryableStepError(
                f"cannot copy {config.in_path!r} to {config.out_path!r}: {error.strerror or error}"
            ) from error
        return StepResult()

    @staticmethod
    def _check(source: Path, target: Path, config: CopyConfig, context: StepContext) -> None:
        if not source.is_dir() and not source.is_file():
            raise TerminalStepError(
                f"inPath {config.in_path!r}: there is no such file or folder in the work directory"
            )
        if any(is_git(part) for part in Path(context.workdir.relative(target)).parts):
            raise TerminalStepError(f"outPath {config.out_path!r} leads into a .git folder")
        if source.is_dir() and target != source and target.is_relative_to(source):
            raise TerminalStepError(
                f"outPath {config.out_path!r} is within inPath {config.in_path!r}: "
                "a folder cannot be copied into itself"
            )


def _copy_tree(source: Path, target: Path, ignored: Ignored) -> None:
    _make_folder(target)
    for entry in kept_below(source, ignored, links=False):
        place = target / entry.relative_to(source)
        if entry.is_dir():
            _make_folder(place)
        else:
            _copy_file(entry, place)


def _make_folder(place: Path) -> None:
    if place.is_symlink():
        raise TerminalStepError(
            f"{place.name!r} is a symbolic link: copy does not write through it"
        )
    place.mkdir(parents=True, exist_ok=True)


def _copy_file(source: Path, place: Path) -> None:
    if place.is_symlink():
        raise TerminalStepError(
            f"{place.name!r} is a symbolic link: copy does not write through it"
        )
    if place.is_dir():
        raise TerminalStepError(f"{place.name!r} is a folder: a file cannot take its place")
    place.parent.mkdir(parents=True, exist_ok=True)
    if source != place:
        shutil.copyfile(source, place, follow_symlinks=False)
        shutil.copymode(source, place)
