"""What a Git subscription would take, remembered on disk: a poll that shows the same refs needs nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from airfreight.model.subscription import GitSubscription

# How it is looked, and how much, changes nothing about what is best.
_NO_RULES = {"blobless", "discovery_limit", "insecure_skip_tls_verify"}
_TOUCH_SECONDS = 3600.0


@dataclass(frozen=True)
class KnownMark:
    """The `mark` of a subscription where the refs that concern it are `concern`."""

    concern: str
    mark: str


@dataclass(frozen=True)
class GitMarks:
    """The memory for all subscriptions with the same address and rules, whichever Warehouse they belong to."""

    place: Path

    @classmethod
    def of(cls, subscription: GitSubscription, folder: Path) -> GitMarks:
        """Return the memory of a subscription below `folder`."""
        rules = subscription.model_dump_json(exclude=_NO_RULES)
        return cls(folder / f"{hashlib.sha256(rules.encode()).hexdigest()[:32]}.json")

    def read(self) -> KnownMark | None:
        """Return what was written last; None where nothing was, or nothing that can be read."""
        try:
            known = KnownMark(**json.loads(self.place.read_text()))
            if time.time() - self.place.stat().st_mtime > _TOUCH_SECONDS:
                os.utime(self.place)
        except (OSError, ValueError, TypeError):
            return None
        return known

    def write(self, known: KnownMark) -> None:
        """Remember; whoever reads meanwhile sees the old or the new."""
        self.place.parent.mkdir(mode=0o700, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.place.parent, suffix=".part")
        with os.fdopen(handle, "w") as file:
            json.dump(asdict(known), file)
        Path(name).replace(self.place)


def forget_marks(folder: Path, expiry: float) -> None:
    """Remove what nobody read for `expiry` seconds."""
    for place in folder.glob("*.*"):
        with suppress(OSError):
            if time.time() - place.stat().st_mtime > expiry:
                place.unlink()
