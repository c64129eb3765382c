"""What yaml-parse, json-parse and toml-parse share: expressions over one document become outputs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from airfreight.errors import ExpressionError, TerminalStepError
from airfreight.expr.program import compile_expression
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.text_file import read_text


class DocumentOutput(StepConfig):
    """One output, computed from the document."""

    name: str = Field(min_length=1)
    from_expression: str = Field(min_length=1)


class DocumentParseConfig(StepConfig):
    """Config of the three steps; the variables of the bare expressions are the document's top-level keys."""

    path: str = Field(min_length=1)
    outputs: tuple[DocumentOutput, ...] = Field(min_length=1)


class DocumentParseStep(PromotionStep[DocumentParseConfig]):
    """Reads one document, changes nothing."""

    config_type = DocumentParseConfig
    outside_effect = ""

    @abstractmethod
    def parsed(self, text: str) -> Mapping[str, Any]:
        """Return the document's top-level keys; raises TerminalStepError."""

    def run(self, config: DocumentParseConfig, context: StepContext) -> StepResult:
        text = read_text(context.workdir.existing(config.path), config.path)
        if not text:
            raise TerminalStepError(f"{config.path}: the file is empty")
        try:
            env = self.parsed(text)
        except TerminalStepError as error:
            raise TerminalStepError(f"{config.path}: {error}") from error
        return StepResult(
            output={output.name: _evaluate(output, env, config.path) for output in config.outputs}
        )


def _evaluate(output: DocumentOutput, env: Mapping[str, Any], path: str) -> Any:
    try:
        return compile_expression(output.from_expression, {}).run(env)
    except ExpressionError as error:
        raise TerminalStepError(f"{path}: outputs {output.name!r}: {error}") from error
