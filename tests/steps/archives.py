"""Archives for tests of untar, entry by entry, and what became of them."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """One entry; `size` claims another size than the content's, `extra` are pax headers."""

    name: str
    content: bytes = b""
    kind: bytes = tarfile.REGTYPE
    target: str = ""
    mode: int = 0o644
    size: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


def archive(*entries: Entry, compress: bool = False, form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar archive with these entries, whatever is wrong with them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for entry in entries:
            header = tarfile.TarInfo(entry.name)
            header.type, header.linkname, header.mode = entry.kind, entry.target, entry.mode
            header.size = len(entry.content) if entry.size is None else entry.size
            header.pax_headers = dict(entry.extra)
            tar.addfile(header)
            padding = -len(entry.content) % tarfile.BLOCKSIZE
            buffer.write(entry.content + b"\0" * padding)
            tar.offset = buffer.tell()
    content = buffer.getvalue()
    return gzip.compress(content, compresslevel=1) if compress else content


def tree(root: Path) -> dict[str, str]:
    """Return path → content; empty folders end with a slash, of links the target is shown."""
    found: dict[str, str] = {}
    for place in sorted(root.rglob("*")):
        name = place.relative_to(root).as_posix()
        if place.is_symlink():
            found[name] = f"-> {os.readlink(place)}"
        elif place.is_file():
            found[name] = place.read_text()
        elif not any(place.iterdir()):
            found[f"{name}/"] = ""
    return found
