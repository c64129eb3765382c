"""Good manifests made bad: changes of the YAML tree and of the text."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

PIPELINES = Path(__file__).resolve().parents[2] / "include" / "pipelines"
FILES = sorted(path.relative_to(PIPELINES).as_posix() for path in PIPELINES.rglob("*.yaml"))
TEXTS = {file: (PIPELINES / file).read_text() for file in FILES}

ODD_TEXT = st.sampled_from(
    [
        "",
        " ",
        ".",
        "..",
        "a..b",
        "a/b",
        "../x",
        "A",
        "a\nb",
        "a\x00b",
        "é",
        "\u202e",
        "\ufeff",
        "%",
        "~",
        "x" * 254,
        "x" * 50000,
        "9" * 5000 + "h",
        "${{",
        "${{ a }}",
        "${{ " + "(" * 900 + " }}",
        "{{ x }}",
        "0s",
        "-5m",
        "1e999",
        "freight",
        "outcome",
        "gate",
        "null",
        "(",
        "[a-",
        "^" + "9" * 600,
        "🚢",
    ]
)
ODD_VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 10**40, 1e300, 0.5, [], {}, [[]], [None], [{}], {"": ""}, {"a": [1]}]),
    ODD_TEXT,
)
LINES = st.sampled_from(
    [
        "!!python/object:os.system x",
        "a: !!python/name:os.x",
        "? [a, b]\n: c",
        "1: x",
        "null: x",
        "x: *nobody",
        "x: &a {<<: *a}",
        "<<: text",
        "<<: {a: b}",
        "\ta: b",
        "- x",
        "}",
        '"',
        "'",
        "|",
        "---",
        "...",
        "%YAML 9.9",
        "kind: Stage",
        "kind: [Stage]",
        "apiVersion: v2",
        "a: \x00",
        "a: \x1b[31m",
        "a: \u2028b",
        "a: &x !!int y",
        "[" * 300,
        "{a: " * 300,
        "- " * 300,
        "a: .inf",
        "metadata: {name: [x]}",
        "x" * 70000 + ": y",
    ]
)


def _slots(node: Any) -> list[tuple[Any, Any]]:
    """Return (collection, key) of every value below `node`."""
    slots: list[tuple[Any, Any]] = []
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict | list):
            keys = list(current) if isinstance(current, dict) else list(range(len(current)))
            slots += [(current, key) for key in keys]
            waiting += [current[key] for key in keys]
    return slots


def _change(draw: st.DrawFn, slot: tuple[Any, Any]) -> None:
    holder, key = slot
    match draw(st.sampled_from(["set", "set", "set", "drop", "wrap", "rename", "twice"])):
        case "set":
            holder[key] = draw(ODD_VALUE)
        case "drop":
            holder.pop(key)
        case "wrap":
            holder[key] = draw(st.sampled_from([[holder[key]], {"spec": holder[key]}]))
        case "rename" if isinstance(holder, dict):
            holder[draw(ODD_TEXT | st.sampled_from([1, None, True]))] = holder.pop(key)
        case _ if isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))


@st.composite
def changed_trees(draw: st.DrawFn) -> tuple[str, str]:
    """A file's path, and its text after some changes of its values."""
    file = draw(st.sampled_from(FILES))
    documents = list(yaml.safe_load_all(TEXTS[file]))
    for _ in range(draw(st.integers(1, 3))):
        slots = _slots(documents)
        if slots:
            _change(draw, draw(st.sampled_from(slots)))
    return file, yaml.safe_dump_all(documents, allow_unicode=draw(st.booleans()))


@st.composite
def changed_texts(draw: st.DrawFn) -> tuple[str, str]:
    """A file's path, and its text cut, doubled, or with odd lines and characters in it."""
    file = draw(st.sampled_from(FILES))
    text = TEXTS[file]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        match draw(st.sampled_from(["cut", "line", "line", "character", "twice"])):
            case "cut":
                text = text[:at]
            case "line":
                start = text.rfind("\n", 0, at) + 1
                indent = " " * draw(st.sampled_from([0, 2, 4, 6]))
                text = f"{text[:start]}{indent}{draw(LINES)}\n{text[start:]}"
            case "character":
                odd = draw(
                    st.characters(exclude_categories=["Cs"]) | st.sampled_from(":-&*!|>%@`{}[]#")
                )
                text = text[:at] + odd + text[at:]
            case _:
                text = text[:at] + text[max(at - 200, 0) :]
    return file, text
