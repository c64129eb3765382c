"""What yaml-update, json-update, toml-update and hcl-update share: their config, their run and their commit message."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from airfreight.errors import TerminalStepError
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.text_file import read_text, replace_text


class ValueUpdate(StepConfig):
    """One value to set; `value` is a string, number or bool."""

    key: str = Field(min_length=1)
    value: Any


class ValueUpdateConfig(StepConfig):
    """Config of these steps; `path` is from the work directory on."""

    path: str = Field(min_length=1)
    updates: tuple[ValueUpdate, ...] = Field(min_length=1)


class ValueUpdateStep(PromotionStep[ValueUpdateConfig]):
    """Sets values; the output `commitMessage` lists them. On any error the file stays as it was."""

    config_type = ValueUpdateConfig
    outside_effect = ""

    @abstractmethod
    def changed(self, text: str, updates: Sequence[tuple[str, Any]]) -> str:
        """Return `text` with the value at each key replaced; raises TerminalStepError."""

    @abstractmethod
    def shown(self, value: Any) -> str:
        """Return `value` as the commit message has it."""

    def run(self, config: ValueUpdateConfig, context: StepContext) -> StepResult:
        file = context.workdir.existing(config.path)
        text = read_text(file, config.path)
        try:
            changed = self.changed(text, [(update.key, update.value) for update in config.updates])
        except TerminalStepError as error:
            raise TerminalStepError(f"{config.path}: {error}") from error
        if changed != text:
            replace_text(file, changed, config.path)
        return StepResult(output={"commitMessage": self._commit_message(config)})

    def _commit_message(self, config: ValueUpdateConfig) -> str:
        lines = [f"- {update.key}: {self.shown(update.value)}" for update in config.updates]
        return "\n".join([f"Updated {config.path}", "", *lines])
