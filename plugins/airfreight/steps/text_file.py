"""Reads and replaces the text files that steps edit."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from airfreight.errors import RetryableStepError, TerminalStepError

MAX_BYTES = 32 * 1024 * 1024


def read_text(file: Path, path: str) -> str:
    """Return the file's text, line ends and byte order mark as they are; `path` is its name in messages.

    Raises TerminalStepError where there is no file, one that is no UTF-8 or one beyond `MAX_BYTES`.
    """
    if not file.is_file():
        raise TerminalStepError(f"{path}: there is no such file in the work directory")
    try:
        if file.stat().st_size > MAX_BYTES:
            raise TerminalStepError(f"{path}: larger than {MAX_BYTES // 1024**2} MiB")
        return file.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise TerminalStepError(f"{path}: not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise RetryableStepError(f"{path}: cannot be read: {error.strerror}") from error


def replace_text(file: Path, text: str, path: str) -> None:
    """Put a new file in the old one's place in one move, so that nobody ever sees half of it.

    The mode stays; a new file is its owner's alone, as in Kargo. Missing folders are made.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".airfreight-")
        try:
            with os.fdopen(handle, "wb") as new:
                new.write(text.encode())
            if file.exists():
                shutil.copymode(file, name)
            Path(name).replace(file)
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
    except OSError as error:
        raise RetryableStepError(f"{path}: cannot be written: {error.strerror}") from error
