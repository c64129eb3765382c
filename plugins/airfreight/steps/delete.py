"""The step delete: removes files, folders and links from the work directory."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.glob import Glob


class DeleteConfig(StepConfig):
    """Config of delete: `path` or `paths`; `strict` makes a path without match an error."""

    path: str | None = Field(default=None, min_length=1)
    paths: tuple[str, ...] | None = Field(default=None, min_length=1)
    paths_are_globs: bool = False
    strict: bool = False

    @model_validator(mode="after")
    def _name_paths_once(self) -> Self:
        if (self.path is None) == (self.paths is None):
            raise ValueError("expected either path or paths")
        if self.paths is not None and "" in self.paths:
            raise ValueError("paths holds an empty path")
        return self

    @property
    def wanted(self) -> tuple[str, ...]:
        """The paths or globs, whichever way they were given."""
        return self.paths if self.paths is not None else (self.path or "",)


class DeleteStep(PromotionStep[DeleteConfig]):
    """Deletes; of a link the link itself, never what it leads to, and never the work directory."""

    kind = "delete"
    config_type = DeleteConfig
    outside_effect = ""

    def run(self, config: DeleteConfig, context: StepContext) -> StepResult:
        # All are looked up before anything goes, so that a bad path costs nothing.
        places = [place for path in config.wanted for place in self._find(path, config, context)]
        for place in places:
            _delete(place, context.workdir.relative(place))
        return StepResult()

    @staticmethod
    def _find(path: str, config: DeleteConfig, context: StepContext) -> list[Path]:
        root = context.workdir.root.resolve()
        if config.paths_are_globs:
            places = Glob(path).find(root)
        else:
            place = context.workdir.join(path)
            if place == root:
                raise TerminalStepError(f"path {path!r} is the work directory itself: not deleted")
            places = [place] if os.path.lexists(place) else []
        if config.strict and not places:
            raise TerminalStepError(
                f"path {path!r} matches nothing in the work directory (strict is true)"
            )
        return places


def _delete(place: Path, shown: str) -> None:
    try:
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
    except OSError as error:
        raise RetryableStepError(f"cannot delete {shown!r}: {error.strerror or error}") from error
