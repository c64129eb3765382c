"""YAML as Kubernetes reads it, every value with its place."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airfreight.errors import ManifestError
from airfreight.manifests.nodes import LARGEST_FILE, Document, read_documents


def read(text: str) -> Document:
    (document,) = read_documents(text.encode(), "a.yaml")
    return document


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.10", 1.1),
        ("0123", 83),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b101", 5),
        ("1_000", 1000),
        ("089", 89.0),
        ("1e10", 1e10),
        ("22:22", "22:22"),
        ("2024-01-31", "2024-01-31"),
        ("on", True),
        ("No", False),
        ("y", "y"),
        ("~", None),
        ("", None),
        ("'on'", "on"),
        ("!!str 5", "5"),
        ("18446744073709551616", 18446744073709551616.0),
        ("1e999", "1e999"),
        ("=", "="),
    ],
)
def test_a_scalar_is_read_as_kubernetes_reads_it(text: str, value: Any) -> None:
    data = read(f"a: {text}\n").data["a"]

    assert (type(data), data) == (type(value), value)


@pytest.mark.parametrize(
    ("text", "path", "part", "place"),
    [
        ("a: |\n  first\n  then HERE\n", ("a",), "HERE", "a.yaml:3:8"),
        ("a: >-\n  first\n  then HERE\n", ("a",), "HERE", "a.yaml:3:8"),
        ('b: "x \\" HERE"\n', ("b",), "HERE", "a.yaml:1:10"),
        ("- c: plain HERE\n", (0, "c"), "HERE", "a.yaml:1:12"),
        ("a: one\n  two HERE\n", ("a",), "HERE", "a.yaml:2:7"),
    ],
)
def test_a_fault_within_a_string_is_located(
    text: str, path: tuple[str | int, ...], part: str, place: str
) -> None:
    document = read(text)
    value = document.data
    for step in path:
        value = value[step]

    assert str(document.locate(path, value.index(part))) == place


def test_a_missing_value_is_located_where_it_would_stand() -> None:
    document = read("a:\n  b: 1\n")

    assert str(document.locate(("a", "c", "d"))) == "a.yaml:2:3"


def test_keys_and_values_keep_their_places_in_every_document_of_a_file() -> None:
    first, second = read_documents(b"a: 1\n---\n---\nb:\n- 2\n", "a.yaml")

    assert str(first.keys[("a",)]) == "a.yaml:1:1"
    assert str(second.places[("b", 0)].location) == "a.yaml:5:3"


def test_a_merge_key_fills_in_what_is_not_given() -> None:
    document = read("base: &base {x: 1, y: 2}\na:\n  <<: *base\n  y: 3\n")

    assert document.data["a"] == {"x": 1, "y": 3}
    assert str(document.places[("a", "x")].location) == "a.yaml:1:17"


def test_bom_and_crlf_are_accepted() -> None:
    (document,) = read_documents(b"\xef\xbb\xbfa: 1\r\nb: |\r\n  x\r\n", "a.yaml")

    assert document.data == {"a": 1, "b": "x\n"}


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)
STAIRS = "- &a0 [x]\n" + "".join(f"- &a{n} [*a{n - 1}]\n" for n in range(1, 300))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            BOMB.encode(),
            "a.yaml:5:38: more than 100000 values, those behind aliases included",
            id="alias-bomb",
        ),
        pytest.param(b"[" * 5000, "a.yaml:1:101: nested deeper than 100 levels", id="deep"),
        pytest.param(
            STAIRS.encode(), "a.yaml:99:9: nested deeper than 100 levels", id="deep-by-aliases"
        ),
        pytest.param(
            b"a: 1\nb: \0", "a.yaml:2:4: control character U+0000 is not allowed", id="nul"
        ),
        pytest.param(b"a: 1\nb: \xff", "a.yaml:2:4: byte 0xff is not UTF-8", id="not-utf8"),
        pytest.param(
            b"#" * (LARGEST_FILE + 1),
            "a.yaml:1:1: the file is larger than 1 MiB (split it)",
            id="large",
        ),
    ],
)
def test_what_costs_too_much_or_is_no_text_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ManifestError) as raised:
        read_documents(content, "a.yaml")

    assert str(raised.value) == message


def test_all_problems_of_a_file_are_reported_together() -> None:
    with pytest.raises(ManifestError) as raised:
        read("a: !x 1\nb: 1\nb: 2\nc: .nan\n")

    assert [problem.location.line for problem in raised.value.problems] == [1, 3, 4]


@given(st.text() | st.text(alphabet="ab:-[]{}&*!|>#'\"?<\n\t 0.~%", max_size=60))
@example("<<: &a {b: *a}")
@example("? ")
@example("- !<tag:yaml.org,2002:int> ''")
def test_any_text_is_read_or_explained(text: str) -> None:
    outcome = outcome_of(text.encode("utf-8", "replace"))

    assert all(outcome)


@given(st.binary())
def test_any_bytes_are_read_or_explained(content: bytes) -> None:
    assert all(outcome_of(content))


def outcome_of(content: bytes) -> list[bool]:
    """Say of each document whether it holds data, or of each problem whether it has a line."""
    try:
        return [document.data is not None for document in read_documents(content, "a.yaml")]
    except ManifestError as error:
        return [problem.location.line > 0 for problem in error.problems] or [False]
