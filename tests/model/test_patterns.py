"""Every row of Kargo's own name and path patterns."""

import json
import posixpath
import re
from pathlib import Path

import pytest

from airfreight.model.globs import glob_expression
from airfreight.model.patterns import name_pattern, path_pattern, pattern_fault
from tests.rows import check_rows

ROWS = json.loads(
    (Path(__file__).parents[1] / "conformance/patterns.json").read_text(encoding="utf-8")
)["cases"]
PARSE = {"name": name_pattern, "path": path_pattern}


def is_dotted_name_below(row):
    """Say whether Kargo refuses a path for two dots within a name, where we do not."""
    if row["kind"] != "path" or row["pattern"].startswith(("glob:", "regex:", "regexp:")):
        return False
    names = posixpath.normpath(row["input"]).split("/")
    return ".." not in names and any(".." in name for name in names)


def test_a_pattern_matches_what_kargos_matches(capfd):
    def check(row):
        if row.get("error"):
            with pytest.raises(ValueError, match=r"bad (glob|regular expression)"):
                PARSE[row["kind"]](row["pattern"])
        else:
            matches = PARSE[row["kind"]](row["pattern"])(row["input"])
            assert matches == (row["match"] or is_dotted_name_below(row))
        assert capfd.readouterr() == ("", "")

    check_rows(ROWS, check)


@pytest.mark.parametrize(
    ("glob", "reason"),
    [
        ("{a", "a '{' without '}'"),
        ("a}", "a '}' without '{'"),
        ("[]", "an empty '[]'"),
        ("{a,b}" * 20, "more than 1000 alternatives"),
    ],
)
def test_a_bad_glob_is_refused_with_the_reason(glob, reason):
    with pytest.raises(ValueError, match=re.escape(reason)):
        glob_expression(glob)


@pytest.mark.parametrize(
    "pattern",
    ["a" * 100_000, "(" * 50_000, "((a{1000}){1000}){1000}", r"\pL{1000}"],
    ids=["long", "nested", "repeated", "large"],
)
def test_a_pattern_that_would_take_the_memory_of_the_process_does_not_compile(pattern):
    assert pattern_fault(pattern)
