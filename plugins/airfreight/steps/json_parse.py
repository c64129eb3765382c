"""The step json-parse: puts out what expressions find in a JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airfreight.errors import TerminalStepError
from airfreight.steps.document_parse import DocumentParseStep
from airfreight.steps.json_text import parse_json


class JsonParseStep(DocumentParseStep):
    """Reads one object."""

    kind = "json-parse"

    def parsed(self, text: str) -> Mapping[str, Any]:
        data = parse_json(text)
        if not isinstance(data, dict):
            raise TerminalStepError(
                "the document is no object, so that there are no keys for expressions"
            )
        return data
