"""The step yaml-merge: lays YAML files over each other."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from airfreight.errors import TerminalStepError
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.text_file import read_text, replace_text
from airfreight.steps.yaml_layers import merge_layers


class YamlMergeConfig(StepConfig):
    """Config of yaml-merge; `in_files` from the lowest to the highest."""

    in_files: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)
    out_file: str = Field(min_length=1)
    ignore_missing_files: bool = False


class YamlMergeStep(PromotionStep[YamlMergeConfig]):
    """Writes `outFile`, which may be one of `inFiles`; the output `commitMessage` lists the files."""

    kind = "yaml-merge"
    config_type = YamlMergeConfig
    outside_effect = ""

    def run(self, config: YamlMergeConfig, context: StepContext) -> StepResult:
        found = [
            path
            for path in config.in_files
            if not config.ignore_missing_files or context.workdir.existing(path).exists()
        ]
        layers = [(path, read_text(context.workdir.existing(path), path)) for path in found]
        target = context.workdir.existing(config.out_file)
        if target.is_dir():
            raise TerminalStepError(f"outFile {config.out_file!r} is a folder")
        replace_text(target, merge_layers(layers), config.out_file)
        if not found:
            return StepResult()
        return StepResult(output={"commitMessage": _commit_message(found, config.out_file)})


def _commit_message(found: list[str], target: str) -> str:
    if len(found) == 1:
        return f"Wrote {found[0]} to {target}"
    files = "\n".join(f"- {path}" for path in found)
    return f"Merged {len(found)} YAML files to {target}\n{files}"
