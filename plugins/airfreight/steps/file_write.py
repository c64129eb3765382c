"""The step file-write: one file with the given contents."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

from pydantic import Field, field_validator

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.new_file import new_file

_WORLD_MAY_WRITE = stat.S_IWOTH
_ANYBODY_MAY_EXECUTE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


class FileWriteConfig(StepConfig):
    """Config of file-write; `permissions` are octal, as for chmod."""

    path: str = Field(min_length=1)
    contents: str
    permissions: str = Field(default="0600", pattern="^0[0-7]{3}$")
    overwrite: bool = False

    @field_validator("permissions")
    @classmethod
    def _are_for_data(cls, permissions: str) -> str:
        mode = int(permissions, 8)
        if mode & _ANYBODY_MAY_EXECUTE:
            raise ValueError("a file that can be executed is not written")
        if mode & _WORLD_MAY_WRITE:
            raise ValueError("a file that everybody may write is not written")
        return permissions

    @field_validator("contents")
    @classmethod
    def _are_text(cls, contents: str) -> str:
        if any("\ud800" <= char <= "\udfff" for char in contents):
            raise ValueError("expected text; half a surrogate pair is none")
        return contents


class FileWriteStep(PromotionStep[FileWriteConfig]):
    """Writes the file; a link anywhere in its path is refused, and what is there is replaced only on `overwrite`."""

    kind = "file-write"
    config_type = FileWriteConfig
    outside_effect = ""

    def run(self, config: FileWriteConfig, context: StepContext) -> StepResult:
        try:
            place = self._place(config, context)
            with new_file(place, int(config.permissions, 8)) as file:
                file.write(config.contents.encode())
        except OSError as error:
            raise RetryableStepError(
                f"cannot write {config.path!r}: {error.strerror or error}"
            ) from error
        return StepResult()

    @staticmethod
    def _place(config: FileWriteConfig, context: StepContext) -> Path:
        """Return where the file goes; what is wrong with it ends the step as Failed, as in Kargo."""
        path = config.path
        if PurePosixPath(path).is_absolute():
            raise TerminalStepError(f"path {path!r} must be relative", failed=True)
        try:
            place = context.workdir.join(path)
        except TerminalStepError as error:
            raise TerminalStepError(str(error), failed=True) from error
        written = Path(os.path.normpath(context.workdir.root.resolve() / path))
        if place != written or place.is_symlink():
            raise TerminalStepError(f"path {path!r} leads through a symbolic link", failed=True)
        if place.is_dir():
            raise TerminalStepError(f"path {path!r} is a folder", failed=True)
        if place.exists() and not config.overwrite:
            raise TerminalStepError(
                f"file {path!r} already exists; set overwrite to true to replace it", failed=True
            )
        return place
