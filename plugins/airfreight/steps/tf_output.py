"""Step tf-output (`kargo.md` §2.11)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from airfreight.errors import TerminalStepError
from airfreight.steps.base import PromotionStep, StepContext, StepResult
from airfreight.steps.rendered import write_files
from airfreight.steps.terraform import (
    FindProgram,
    Terraform,
    TerraformConfig,
    file_below,
    find_terraform,
    terraform,
)


class TfOutputConfig(TerraformConfig):
    """Config of tf-output; `out` counts from the work directory, `state` from `dir`."""

    name: str | None = Field(default=None, pattern=r"^[a-zA-Z_][\w-]*$")
    out: str | None = Field(default=None, min_length=1)
    state: str | None = Field(default=None, min_length=1)
    sensitive: bool = False


class TfOutputStep(PromotionStep[TfOutputConfig]):
    """Puts out what Terraform's state holds as outputs, or writes it to a file.

    Output: the value of `name` under that name; else each output with its ``value``, ``type`` and ``sensitive``. Empty
    with `out`.

    :param find: finds the program.
    """

    kind = "tf-output"
    config_type = TfOutputConfig
    outside_effect = "runs Terraform, which may start any program"

    def __init__(self, find: FindProgram = find_terraform) -> None:
        self._find = find

    def run(self, config: TfOutputConfig, context: StepContext) -> StepResult:
        """Read the state."""
        with terraform(context, config, self._find) as program:
            outputs = _read(program, list(_arguments(config, context)))
        if config.name is not None:
            outputs = {config.name: outputs}
        elif not config.sensitive:
            outputs = {name: one for name, one in outputs.items() if not one["sensitive"]}
        if config.out is None:
            return StepResult(output=outputs)
        write_files(context, "", {config.out: f"{json.dumps(outputs, indent=2)}\n"})
        return StepResult(output={})


def _arguments(config: TfOutputConfig, context: StepContext) -> Iterator[str]:
    if config.state is not None:
        yield f"-state={file_below(context, config, 'state', config.state)}"
    if config.name is not None:
        yield config.name


def _read(program: Terraform, arguments: list[str]) -> Any:
    """Return the value that is asked for, or a mapping of all outputs."""
    _, text = program.call("output", "-json", *arguments)
    try:
        return json.loads(text)
    except ValueError as error:
        raise TerminalStepError(f"{program.program.name} output printed no JSON: {error}") from None
