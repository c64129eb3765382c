"""The step yaml-parse: puts out what expressions find in a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airfreight.steps.document_parse import DocumentParseStep
from airfreight.steps.yaml_data import load_yaml


class YamlParseStep(DocumentParseStep):
    """Reads the first document; one that is no map is the variable `root`."""

    kind = "yaml-parse"

    def parsed(self, text: str) -> Mapping[str, Any]:
        data = load_yaml(text)
        return data if isinstance(data, dict) else {"root": data}
