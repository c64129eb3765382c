import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airfreight.artifacts.tags import explain_tags
from airfreight.errors import ArtifactError, VersionError
from tests.rows import check_rows

ROWS = json.loads((Path(__file__).parents[1] / "conformance/tag_select.json").read_text())["cases"]


CATASTROPHIC = ["(a+)+$b", "(x+x+)+y", r"(\w+\s?)*$!", "(a|b)*a(a|b){20}c"]


@pytest.mark.parametrize("pattern", CATASTROPHIC)
@pytest.mark.parametrize("field", ["allow", "ignore"])
def test_no_expression_makes_a_selection_catastrophic(pattern, field):
    tags = ["ab" * 60 + str(number) for number in range(2000)]
    kept, _ = explain_tags(tags, strategy="Lexical", **{field: [pattern]})
    assert len(kept) == (2000 if field == "ignore" else 0)


def test_a_selection_that_takes_too_long_is_given_up():
    tags = ["ab" * 60 + str(number) for number in range(50_000)]
    with pytest.raises(ArtifactError, match="make allowTagsRegexes and ignoreTagsRegexes simpler"):
        explain_tags(tags, strategy="Lexical", allow=["(.?){900}c"])


def select(row) -> list[str]:
    selected, _ = explain_tags(
        row["tags"],
        strategy=row["strategy"],
        constraint=row.get("constraint", ""),
        strict=row.get("strict", True),
        allow=row["allow"],
        ignore=row["ignore"],
    )
    return selected


def test_tags_are_offered_in_kargos_order():
    def check(row):
        assert select(row) == row["result"]

    check_rows([row for row in ROWS if not row.get("error")], check)


def test_a_bad_constraint_or_expression_is_refused(capfd):
    def check(row):
        with pytest.raises((ArtifactError, VersionError)):
            select(row)
        assert capfd.readouterr() == ("", "")

    check_rows([row for row in ROWS if row.get("error")], check)


def test_an_unknown_strategy_names_those_that_exist():
    with pytest.raises(ArtifactError, match="SemVer and Lexical"):
        explain_tags([], strategy="Newest")


TAGS = st.lists(
    st.one_of(
        st.from_regex(r"v?[0-2](\.[0-2]){0,2}(-(rc\.)?[0-2])?(\+[ab])?", fullmatch=True),
        st.text(max_size=3),
    ),
    unique=True,
)


@given(TAGS, st.randoms(use_true_random=False), st.sampled_from(["SemVer", "Lexical"]))
def test_the_order_of_tags_is_that_of_no_registry(tags, random, strategy):
    shuffled = random.sample(tags, len(tags))
    selected, _ = explain_tags(shuffled, strategy=strategy, strict=False)
    assert selected == explain_tags(tags, strategy=strategy, strict=False)[0]


@pytest.mark.parametrize("strategy", ["SemVer", "Lexical"])
def test_a_tag_that_is_no_text_is_no_failure(strategy):
    selected, _ = explain_tags(["\ud800", "1.0.0"], strategy=strategy, ignore=["x"])
    assert selected[-1:] == ["1.0.0"]
