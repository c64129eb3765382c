"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from airfreight.errors import TerminalStepError
from airfreight.steps.workdir import WorkDirectory


def new_place(workdir: WorkDirectory, out_path: str, *, allow_overwrite: bool) -> Path:
    """Return where `out_path` is; raises TerminalStepError where a download may not write there."""
    place = workdir.existing(out_path)
    if place.is_dir():
        raise TerminalStepError(f"outPath {out_path!r} is a folder")
    if place.exists() and not allow_overwrite:
        raise TerminalStepError(
            f"outPath {out_path!r}: there is a file already, and allowOverwrite is false"
        )
    return place


@contextmanager
def new_file(place: Path, mode: int) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `place` when the block ends well; folders above it are made.

    Until then what is at `place` stays, and a link there is replaced, never written through. `mode` is taken as it is,
    whatever the umask. Raises OSError.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    # Not named after `place`: a name of 255 bytes has no room for more.
    handle, name = tempfile.mkstemp(prefix=".new-", dir=place.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            os.fchmod(file.fileno(), mode)
        os.replace(name, place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
