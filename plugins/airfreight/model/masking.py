"""What a text must not show."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from urllib.parse import quote

_HIDDEN = "***"


def mask(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without the secrets, the longest spelling first; an empty secret is none.

    Each is found as it is, in a URL, in JSON, between Python's quotes and in Base64.
    """
    spellings = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
    for spelling in sorted(spellings, key=len, reverse=True):
        text = text.replace(spelling, _HIDDEN)
    return text


def _spellings(secret: str) -> tuple[str, ...]:
    quoted = (json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret))
    encoded = base64.b64encode(secret.encode(errors="surrogatepass")).decode()
    in_url = quote(secret, safe="", errors="surrogatepass")
    return (secret, *(text[1:-1] for text in quoted), in_url, encoded)
