import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airfreight.artifacts.semver import Constraint, Version, parse_tag
from airfreight.errors import VersionError
from tests.rows import check_rows

CONFORMANCE = Path(__file__).parents[1] / "conformance"
TABLE = json.loads((CONFORMANCE / "semver.json").read_text())
TAGS = json.loads((CONFORMANCE / "semver_parse.json").read_text())["cases"]


def test_a_constraint_admits_what_the_library_admits():
    versions = {text: Version.parse(text) for text in TABLE["parseable"]}

    def check(row):
        if row.get("invalid"):
            with pytest.raises(VersionError):
                Constraint.parse(row["constraint"])
            return
        constraint = Constraint.parse(row["constraint"])
        admitted = [text for text, version in versions.items() if constraint.admits(version)]
        assert admitted == row["matches"]

    check_rows(TABLE["rows"], check)


@pytest.mark.parametrize("strict", [False, True], ids=["loose", "strict"])
def test_versions_parse_where_the_library_parses_them(strict):
    def parses(text: str) -> bool:
        try:
            return bool(Version.parse(text, strict=strict))
        except VersionError:
            return False

    accepted = [text for text in TABLE["versions"] if parses(text)]
    assert accepted == TABLE["strictly_parseable" if strict else "parseable"]


def test_a_tag_reads_as_in_kargo():
    def check(row):
        version = parse_tag(row["input"], row["strict"])
        assert (str(version) if version else None) == row["parsed"]
        if version:
            assert version.original == row["original"]

    check_rows(TAGS, check)


def test_versions_are_ordered_by_precedence():
    texts = ["1.0.0-1", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-rc.2", "1.0.0-rc.10", "1.0.0"]
    versions = [Version.parse(text) for text in texts]
    shuffled = sorted(versions, key=lambda version: version.original)
    assert shuffled != versions
    assert sorted(shuffled) == versions


def test_build_metadata_does_not_tell_versions_apart():
    left, right = Version.parse("1.0.0+a"), Version.parse("1.0.0+b")
    assert left == right
    assert hash(left) == hash(right)


@pytest.mark.parametrize(
    ("constraint", "inside", "outside"),
    [
        ("1.2.3 - 2.3", "2.3.9", "2.4.0"),
        ("!=1.2.x", "1.3.0", "1.2.9"),
        ("!=1", "2.0.0", "1.9.0"),
        ("=<1.2.3", "1.2.3", "1.2.4"),
        # After a wildcard the library reads no number any more, so it may be none.
        ("*.1x", "0.0.0", "0.0.1-a"),
        ("1.x.1|2", "1.9.0", "2.0.0"),
        ("<2, 1 - 3", "1.5.0", "2.0.0"),
        # Its hyphen ranges come before its alternatives: this is ">= 1 || 2, <= 3".
        ("1||2 - 3", "9.0.0", "0.9.0"),
    ],
)
def test_more_forms_of_constraints(constraint, inside, outside):
    parsed = Constraint.parse(constraint)
    assert parsed.admits(Version.parse(inside))
    assert not parsed.admits(Version.parse(outside))


@pytest.mark.parametrize(
    ("constraint", "offset"),
    [
        ("foo", 0),
        (">=1.0.0 foo", 8),
        ("^1 || bar", 6),
        ("1.2.3-01", 0),
        ("1 ||", 4),
        ("1.2.3.4", 5),
        # Rewriting the range takes the blank before it.
        ("1.0.0 1.2.3 - 2", 6),
        ("^1 || 2 1 - 3", 8),
        ("1 - 2 || foo", 9),
        ("1 - 2.0.0||3.0.0", 12),
        ("1x", 0),
        ("1,", 2),
        (" ", 1),
        ("1" + " " * 512, 0),
        ("1.2.3+" + "a" * 251, 0),
    ],
)
def test_a_bad_constraint_is_refused_at_its_place(constraint, offset):
    with pytest.raises(VersionError) as caught:
        Constraint.parse(constraint)
    assert caught.value.offset == offset


def test_a_constraint_of_512_bytes_is_read():
    assert Constraint.parse("1" + " " * 511).admits(Version.parse("1.2.3"))


def test_a_long_constraint_takes_linear_time():
    started = time.thread_time()
    for hostile in (" " * 510 + "!", "1 " * 255 + "!", "1- " * 170 + "!", "1-a." * 127 + "!"):
        with pytest.raises(VersionError):
            Constraint.parse(hostile)
    assert time.thread_time() - started < 0.5


IDENTIFIERS = st.one_of(
    st.integers(0, 2**65).map(str),
    st.from_regex(r"[0-9]*[A-Za-z-][0-9A-Za-z-]{0,3}", fullmatch=True),
)
SUFFIXES = st.lists(IDENTIFIERS, min_size=1, max_size=3).map(".".join)
VERSIONS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "v"]),
        st.lists(st.integers(0, 2), min_size=1, max_size=3).map(
            lambda parts: ".".join(map(str, parts))
        ),
        st.one_of(st.just(""), SUFFIXES.map("-{}".format)),
        st.one_of(st.just(""), SUFFIXES.map("+{}".format)),
    ),
)


@given(st.tuples(VERSIONS, VERSIONS, VERSIONS))
def test_the_order_of_versions_is_total(texts):
    a, b, c = map(Version.parse, texts)
    assert [a < b, a == b, a > b].count(True) == 1
    assert (a <= b) == (a < b or a == b)
    assert (a >= b) == (b <= a)
    assert a <= c or not (a <= b and b <= c)
    assert hash(a) == hash(b) or a != b
