"""What a disk may do to a Git repository."""

from __future__ import annotations

from pathlib import Path


def flip_bytes(repository: Path) -> None:
    """Overwrite some bytes in the middle of the repository's one pack."""
    (pack,) = repository.glob("objects/pack/*.pack")
    pack.chmod(0o600)
    content = pack.read_bytes()
    middle = len(content) // 2
    pack.write_bytes(content[:middle] + bytes(40) + content[middle + 40 :])
