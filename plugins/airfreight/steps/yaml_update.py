"""The step yaml-update: sets values in a YAML file and leaves all else as it is."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from pydantic import Field

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.yaml_edit import set_values
from airfreight.steps.yaml_scalar import read_value


class YamlUpdate(StepConfig):
    """One value to set; `key` as in `split_key`, `value` a string, number or bool."""

    key: str = Field(min_length=1)
    value: Any


class YamlUpdateConfig(StepConfig):
    """Config of yaml-update; `path` is from the work directory on."""

    path: str = Field(min_length=1)
    updates: tuple[YamlUpdate, ...] = Field(min_length=1)


class YamlUpdateStep(PromotionStep[YamlUpdateConfig]):
    """Sets values; the output `commitMessage` lists them. On any error the file stays as it was."""

    kind = "yaml-update"
    config_type = YamlUpdateConfig

    def run(self, config: YamlUpdateConfig, context: StepContext) -> StepResult:
        file = context.workdir.existing(config.path)
        text = _read(file, config.path)
        try:
            changed = set_values(text, [(update.key, update.value) for update in config.updates])
        except TerminalStepError as error:
            raise TerminalStepError(f"{config.path}: {error}") from error
        if changed != text:
            _replace(file, changed, config.path)
        return StepResult(output={"commitMessage": _commit_message(config)})


def _commit_message(config: YamlUpdateConfig) -> str:
    lines = [f"- {update.key}: {_shown(update)}" for update in config.updates]
    return "\n".join([f"Updated {config.path}", "", *lines])


def _shown(update: YamlUpdate) -> str:
    """Return the value as the file has it, unquoted."""
    return read_value(update.key, update.value).text


def _read(file: Path, path: str) -> str:
    if not file.is_file():
        raise TerminalStepError(f"{path}: there is no such file in the work directory")
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise TerminalStepError(f"{path}: not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise RetryableStepError(f"{path}: cannot be read: {error.strerror}") from error


def _replace(file: Path, text: str, path: str) -> None:
    """Put a new file in the old one's place in one move, so that nobody ever sees half of it."""
    try:
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".yaml-update-")
        try:
            with os.fdopen(handle, "wb") as new:
                new.write(text.encode())
            shutil.copymode(file, name)
            Path(name).replace(file)
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
    except OSError as error:
        raise RetryableStepError(f"{path}: cannot be written: {error.strerror}") from error
