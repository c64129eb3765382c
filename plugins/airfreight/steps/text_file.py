"""Text files that a step changes: read as UTF-8, replaced in one move."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from airfreight.errors import RetryableStepError, TerminalStepError


def read_text(file: Path, path: str) -> str:
    """Return what the file says; messages call it `path`.

    Raises TerminalStepError where there is no such file or it is not UTF-8, RetryableStepError where it cannot be read.
    """
    if not file.is_file():
        raise TerminalStepError(f"{path}: there is no such file in the work directory")
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise TerminalStepError(f"{path}: not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise RetryableStepError(f"{path}: cannot be read: {error.strerror}") from error


def replace_text(file: Path, text: str, path: str) -> None:
    """Put a new file in the old one's place in one move, so that nobody ever sees half of it; the mode stays.

    Raises RetryableStepError where it cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".airfreight-")
        try:
            with os.fdopen(handle, "wb") as new:
                new.write(text.encode())
            shutil.copymode(file, name)
            Path(name).replace(file)
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
    except OSError as error:
        raise RetryableStepError(f"{path}: cannot be written: {error.strerror}") from error
