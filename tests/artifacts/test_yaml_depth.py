"""YAML of strangers, nested as deep as they like."""

from __future__ import annotations

import pytest
import yaml

from airfreight.artifacts.charts.index import read_index
from airfreight.artifacts.yaml_depth import MAX_DEPTH, DepthError, compose
from airfreight.errors import ArtifactError
from airfreight.steps.rendered import Resource, resource_of

# Deeper than is allowed, and not so deep that a reader without a limit would end this process.
DEEP = MAX_DEPTH + 500


def test_what_is_as_deep_as_is_allowed_is_composed():
    node = compose("- " * MAX_DEPTH + "x")
    assert isinstance(node, yaml.SequenceNode)


@pytest.mark.parametrize("opener", ["- ", "[", "? "])
def test_what_is_deeper_is_refused(opener):
    with pytest.raises(DepthError, match=r"^the YAML is nested too deeply: more than 1000 levels$"):
        compose(opener * DEEP + "x")


def test_a_rendered_document_that_is_too_deep_is_no_resource():
    assert resource_of("kind: Pod\nspec:\n " + "- " * 500 + "x").kind == "Pod"
    assert resource_of("kind: Pod\nspec:\n " + "- " * DEEP + "x") == Resource()


def test_an_index_of_charts_is_not_read_deeper_than_charts_are():
    index = b"entries:\n  app:\n  - version: 1.0.0\n    more: " + b"[" * 90 + b"]" * 90
    assert dict(read_index([index], "here")) == {"app": {"1.0.0": ""}}
    with pytest.raises(
        ArtifactError,
        match=r"^here is no index of charts: the YAML is nested too deeply: more than 100 levels$",
    ):
        list(read_index([b"entries:\n  app: " + b"[" * 200 + b"]" * 200], "here"))
