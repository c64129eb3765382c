"""A user name with its password."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import quote


@dataclass(frozen=True)
class Credential:
    """What opens a repository; the password shows in no `repr`, `str` or traceback of it."""

    username: str
    password: str = field(repr=False)

    def mask(self, text: str) -> str:
        """Return `text` with every spelling of the password replaced: plain, in a URL, as Basic authentication."""
        if not self.password:
            return text
        pairs = (f"{self.username}:{self.password}", f":{self.password}")
        basic = [base64.b64encode(pair.encode()).decode() for pair in pairs]
        for spelling in (*basic, self.password, quote(self.password, safe="")):
            text = text.replace(spelling, "***")
        return text
