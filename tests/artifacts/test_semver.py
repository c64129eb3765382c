import json
from pathlib import Path

import pytest

from airfreight.artifacts.semver import Constraint, Version, parse_tag
from airfreight.errors import VersionError

CONFORMANCE = Path(__file__).parents[1] / "conformance"
TABLE = json.loads((CONFORMANCE / "semver.json").read_text())
TAGS = json.loads((CONFORMANCE / "semver_parse.json").read_text())["cases"]


@pytest.mark.parametrize("row", TABLE["rows"], ids=lambda row: row["constraint"] or "empty")
def test_a_constraint_admits_what_the_library_admits(row):
    if row.get("invalid"):
        with pytest.raises(VersionError):
            Constraint.parse(row["constraint"])
        return
    constraint = Constraint.parse(row["constraint"])
    admitted = [text for text in TABLE["parseable"] if constraint.admits(Version.parse(text))]
    assert admitted == row["matches"]


@pytest.mark.parametrize("strict", [False, True], ids=["loose", "strict"])
def test_versions_parse_where_the_library_parses_them(strict):
    def parses(text: str) -> bool:
        try:
            return bool(Version.parse(text, strict=strict))
        except VersionError:
            return False

    accepted = [text for text in TABLE["versions"] if parses(text)]
    assert accepted == TABLE["strictly_parseable" if strict else "parseable"]


@pytest.mark.parametrize(
    "row", TAGS, ids=lambda row: f"{'strict' if row['strict'] else 'loose'}-{row['input'][:40]}"
)
def test_a_tag_reads_as_in_kargo(row):
    version = parse_tag(row["input"], row["strict"])
    assert (str(version) if version else None) == row["parsed"]
    if version:
        assert version.original == row["original"]


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
        ("^1 || bar", 5),
        ("1.2.3-01", 0),
        ("1 ||", 4),
        ("1.2.3.4", 5),
    ],
)
def test_a_bad_constraint_is_refused_at_its_place(constraint, offset):
    with pytest.raises(VersionError) as caught:
        Constraint.parse(constraint)
    assert caught.value.offset == offset
