"""Every row of Kargo's own semverParse and semverDiff."""

import json
from pathlib import Path

import pytest

from airfreight.errors import ExpressionError
from airfreight.expr.templates import evaluate_template
from airfreight.runtime.functions import Scope, functions
from tests.rows import check_rows

ROWS = json.loads(
    (Path(__file__).parents[1] / "conformance/semver_functions.json").read_text(encoding="utf-8"),
    parse_int=float,  # every number of the rows is a float to Go
)


def evaluate(template):
    return evaluate_template(template, ROWS["env"], functions(Scope(), "step"))


def test_a_version_in_a_template_gives_what_kargo_gives():
    def check(row):
        result = evaluate(row["template"])
        assert result == row["result"]
        assert isinstance(result, bool) == isinstance(row["result"], bool)

    check_rows([row for row in ROWS["cases"] if not row.get("error")], check)


def test_what_is_no_version_is_an_error():
    def check(row):
        with pytest.raises(ExpressionError):
            evaluate(row["template"])

    check_rows([row for row in ROWS["cases"] if row.get("error")], check)


@pytest.mark.parametrize(
    "source",
    [
        "semverParse('1.2.3').IncMajor().Original()",
        "semverParse('1.2.3').IncMajor().Compare(semverParse(v))",
        "semverParse(v).LessThan(semverParse(v).IncPatch())",
        "map([v], semverParse(#).IncPatch())[0].Original()",
        "semverParse(v).Compare(map([v], semverParse(#).IncPatch())[0])",
        "semverParse('18446744073709551615.0.0').IncMajor()",
        "semverParse('0.18446744073709551615.0').IncMinor()",
        "semverParse('0.0.18446744073709551615').IncPatch()",
        "semverParse(v).SetPrerelease('01')",
    ],
)
def test_what_go_refuses_of_a_version_is_an_error(source):
    with pytest.raises(ExpressionError):
        evaluate(f"${{{{ {source} }}}}")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("semverParse(v).IncPatch() == semverParse('1.2.4')", True),
        ("semverParse(v).IncPatch() == semverParse(v).IncPatch()", True),
        ("semverParse(v).IncPatch() == semverParse('v1.2.4')", False),
        (
            "semverParse('0.0.18446744073709551615-a').IncPatch().String()",
            "0.0.18446744073709551615",
        ),
        ("semverParse(v).SetMetadata('m.01').String()", "1.2.3+m.01"),
    ],
)
def test_changed_versions_are_values_as_in_go(source, expected):
    assert evaluate(f"${{{{ {source} }}}}") == expected
