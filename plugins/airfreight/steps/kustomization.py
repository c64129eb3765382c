"""The kustomization file of a folder and its list of images, changed so that the rest of the file stays as it is.

The list is read from the parser's events, whose marks say where each part stands. Aliases are not followed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from airfreight.errors import TerminalStepError
from airfreight.steps.base import StepContext
from airfreight.steps.yaml_edit import set_values

_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_FIELDS = ("name", "newName", "newTag", "digest")
_NO_PLACE = "images cannot be changed at their place: give them their own lines, an entry to a dash"
KEEP = "*"
"""As a `newName`, `newTag` or `digest`: what the file has stays."""

Image = Mapping[str, str]
"""An entry of `images`, as the file has it; empty fields are left out."""


def find_kustomization(context: StepContext, path: str) -> Path:
    """Return the one kustomization file of the folder; raises TerminalStepError where there is none or more."""
    folder = context.workdir.existing(path)
    found = [
        folder / name
        for name in _NAMES
        if (folder / name).is_file() and not (folder / name).is_symlink()
    ]
    if not found:
        raise TerminalStepError(
            f"could not find any Kustomization files in {path!r}: expected one of {', '.join(_NAMES)}"
        )
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise TerminalStepError(
            f"ambiguous result: found multiple Kustomization files in {path!r}: {names}; keep one"
        )
    return found[0]


def merge_images(current: Sequence[Image], targets: Sequence[Image]) -> list[Image]:
    """Return the list with every target in it, by name; a target replaces all of its entry but what KEEP keeps."""
    old = {image.get("name", ""): image for image in current}
    merged = dict(old)
    for target in targets:
        known = old.get(target["name"], {})
        kept = {
            field: known.get(field, "") if value == KEEP else value
            for field, value in target.items()
        }
        merged[target["name"]] = {field: value for field, value in kept.items() if value}
    return [merged[name] for name in sorted(merged)]


def set_images(text: str, targets: Sequence[Image]) -> str:
    """Return the kustomization `text` with the targets in its `images`, sorted by name.

    Entries that do not change keep their bytes, as does everything outside the list. Raises TerminalStepError where
    the text is no YAML mapping, its `images` are not what kustomize expects, or the change cannot be written.
    """
    try:
        layout = _read(text)
        wanted = merge_images(layout.images, targets)
        changed = _edited(text, layout, wanted)
        after = _read(changed)
    except yaml.YAMLError as error:
        raise TerminalStepError(f"not valid YAML: {error}") from error
    if list(after.images) != wanted or after.others != layout.others:
        raise TerminalStepError(_NO_PLACE)
    return changed


def read_images(text: str) -> tuple[Image, ...]:
    """Return the `images` of a kustomization that `set_images` gave."""
    return _read(text).images


@dataclass(frozen=True)
class _Layout:
    """Where a kustomization's images stand; indices into the text.

    `start` and `end` are of the list or what is in its place, `items` of its entries. `insertion` is where a new key
    can go. `others` is all that the file says besides.
    """

    images: tuple[Image, ...] = ()
    start: int = -1
    end: int = -1
    items: tuple[int, ...] = ()
    list_in_flow: bool = False
    file_in_flow: bool = False
    insertion: int = -1
    empty: bool = True
    others: tuple[object, ...] = ()


def _read(text: str) -> _Layout:
    documents = [event for event in yaml.parse(text) if isinstance(event, yaml.DocumentStartEvent)]
    if len(documents) > 1:
        raise TerminalStepError("more than one YAML document: a kustomization is one")
    root = _Reader(list(yaml.parse(text)))
    return root.layout(text)


class _Reader:
    """Walks the events of one document."""

    def __init__(self, events: list[yaml.Event]) -> None:
        skipped = (
            yaml.StreamStartEvent,
            yaml.DocumentStartEvent,
            yaml.DocumentEndEvent,
            yaml.StreamEndEvent,
        )
        self._events = [event for event in events if not isinstance(event, skipped)]

    def layout(self, text: str) -> _Layout:
        if not self._events or _is_null(self._events[0]):
            return _Layout(insertion=len(text))
        first, last = self._events[0], self._events[-1]
        if not isinstance(first, yaml.MappingStartEvent):
            raise TerminalStepError("the kustomization is no YAML mapping")
        in_flow = bool(first.flow_style)
        place = _index(last.start_mark) if in_flow else len(text)
        layout = _Layout(file_in_flow=in_flow, insertion=place, empty=len(self._events) == 2)
        others: list[object] = []
        index = 1
        while index < len(self._events) - 1:
            value = self._after(index)
            following = self._after(value)
            key = self._events[index]
            if isinstance(key, yaml.ScalarEvent) and key.value == "images":
                layout = self._with_images(layout, value, following)
            else:
                others += [_said(event) for event in self._events[index:following]]
            index = following
        return replace(layout, others=tuple(others))

    def _after(self, index: int) -> int:
        """Return the index behind the node that starts at `index`."""
        depth = 0
        for place in range(index, len(self._events)):
            event = self._events[place]
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth == 0:
                return place + 1
        return len(self._events)

    def _with_images(self, layout: _Layout, value: int, following: int) -> _Layout:
        first, last = self._events[value], self._events[following - 1]
        if layout.start >= 0:
            raise TerminalStepError("images is there twice: keep one")
        if _is_null(first):
            place = _index(first.start_mark)
            return replace(layout, start=place, end=_index(first.end_mark))
        if not isinstance(first, yaml.SequenceStartEvent) or first.anchor:
            raise TerminalStepError("images: expected a plain list of mappings")
        items: list[int] = []
        images: list[Image] = []
        index = value + 1
        while index < following - 1:
            behind = self._after(index)
            items.append(_index(self._events[index].start_mark))
            images.append(_image(self._events[index:behind]))
            index = behind
        return replace(
            layout,
            images=tuple(images),
            items=tuple(items),
            start=_index(first.start_mark),
            end=_index(last.end_mark),
            list_in_flow=bool(first.flow_style),
        )


def _index(mark: Any) -> int:
    """Return where a mark is in the text; the parser gives one to every event."""
    return int(mark.index)


def _is_null(event: yaml.Event) -> bool:
    return (
        isinstance(event, yaml.ScalarEvent) and not event.style and event.value in ("", "null", "~")
    )


def _said(event: yaml.Event) -> tuple[object, ...]:
    anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
    return type(event), anchor, tag, getattr(event, "value", None)


def _image(events: Sequence[yaml.Event]) -> Image:
    scalars = [event for event in events[1:-1] if isinstance(event, yaml.ScalarEvent)]
    plain = isinstance(events[0], yaml.MappingStartEvent) and len(scalars) == len(events) - 2
    if not plain or any(event.anchor for event in scalars):
        raise TerminalStepError("images: expected a list of mappings of plain values")
    pairs = zip(scalars[::2], scalars[1::2], strict=True)
    return {key.value: "" if _is_null(value) else value.value for key, value in pairs}


def _edited(text: str, layout: _Layout, wanted: Sequence[Image]) -> str:
    if list(layout.images) == list(wanted):
        return text
    if [_shape(image) for image in layout.images] != [_shape(image) for image in wanted]:
        text = _draft(text, layout, wanted)
    drafted = _read(text).images
    if [image.keys() for image in drafted] != [image.keys() for image in wanted]:
        raise TerminalStepError(_NO_PLACE)
    return set_values(text, _changed_scalars(drafted, wanted))


def _draft(text: str, layout: _Layout, wanted: Sequence[Image]) -> str:
    """Return the text with the right entries and fields; new ones hold what `set_values` is to replace."""
    if layout.start < 0:
        return _with_new_key(text, layout, wanted)
    if layout.list_in_flow and not _stands_alone(text, layout):
        return text[: layout.start] + _flow(wanted) + text[layout.end :]
    return _with_new_list(text, layout, wanted)


def _shape(image: Image) -> tuple[str | None, frozenset[str]]:
    return image.get("name"), frozenset(image)


def _changed_scalars(current: Sequence[Image], wanted: Sequence[Image]) -> list[tuple[str, str]]:
    return [
        (f"images.{index}.{field}", value)
        for index, (old, new) in enumerate(zip(current, wanted, strict=True))
        for field, value in new.items()
        if old[field] != value
    ]


def _with_new_key(text: str, layout: _Layout, wanted: Sequence[Image]) -> str:
    place = layout.insertion
    if layout.file_in_flow:
        comma = "" if layout.empty else ", "
        return f'{text[:place]}{comma}"images": {_flow(wanted)}{text[place:]}'
    end = _line_end(text)
    start = "" if not text or text.endswith("\n") else end
    entries = "".join(_entry(image, 0, end) for image in wanted)
    return f"{text}{start}images:{end}{entries}"


def _stands_alone(text: str, layout: _Layout) -> bool:
    """Say whether an empty list is the last on its line, so that a block can take its place."""
    rest = text[layout.end :].partition("\n")[0]
    return not layout.images and not layout.file_in_flow and not rest.strip()


def _with_new_list(text: str, layout: _Layout, wanted: Sequence[Image]) -> str:
    """Write the list again, with the very lines of the entries that stay."""
    end = _line_end(text)
    if not layout.items:
        entries = "".join(_entry(image, 0, end) for image in wanted)
        head, tail = text[: layout.start].rstrip(" "), text[layout.end :].lstrip(" ")
        return head + end + entries + tail.removeprefix("\r").removeprefix("\n")
    starts = [text.rindex("-", 0, item) for item in layout.items]
    first = text.rindex("\n", 0, starts[0]) + 1
    stop = first + len(text[first : layout.end].rstrip())
    stop += len(text[stop:].partition("\n")[0]) + ("\n" in text[stop:])
    lines = [text.rindex("\n", 0, start) + 1 for start in starts]
    chunks = [text[a:b] for a, b in zip(lines, [*lines[1:], stop], strict=True)]
    known = {
        image.get("name", ""): (image, chunk)
        for image, chunk in zip(layout.images, chunks, strict=True)
    }
    indent = starts[0] - first
    written = [_kept(known, image) or _entry(image, indent, end) for image in wanted]
    closed = [chunk if chunk.endswith("\n") else chunk + end for chunk in written]
    return text[:first] + "".join(closed) + text[stop:]


def _kept(known: Mapping[str, tuple[Image, str]], image: Image) -> str:
    old, chunk = known.get(image.get("name", ""), ({}, ""))
    return chunk if old == image else ""


def _entry(image: Image, indent: int, end: str) -> str:
    pad = " " * indent
    lines = [f"{field}: x" for field in _ordered(image)]
    return f"{pad}- " + f"{end}{pad}  ".join(lines) + end


def _flow(wanted: Sequence[Image]) -> str:
    entries = (", ".join(f'"{field}": "x"' for field in _ordered(image)) for image in wanted)
    return "[" + ", ".join(f"{{{entry}}}" for entry in entries) + "]"


def _ordered(image: Image) -> list[str]:
    return sorted(image, key=lambda field: _FIELDS.index(field) if field in _FIELDS else 9)


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
