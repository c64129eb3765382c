"""Regular expressions of manifests: RE2's, whose time is linear."""

from __future__ import annotations

import re2


def pattern_fault(pattern: str) -> str:
    """Return what is wrong with `pattern`; empty where it compiles. Nothing of it goes to the process's stderr."""
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0]
        return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    return ""
