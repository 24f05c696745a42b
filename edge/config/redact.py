"""What may be shown of a text that could hold a secret: in logs, in health, in ``check-config``, in error messages."""

import re

HIDDEN = "***"
_USER_INFO = re.compile(r"(?<=://)[^\s/?#'\"]*@")
_SECRET = re.compile(
    r"(?i)\b([a-z0-9_.-]*(?:pass|pwd|user-pw|user-id|secret|token|api_?key|auth|signature)[a-z0-9_.-]*\s*=\s*)"
    r"(\"[^\"]*\"|'[^']*'|[^\s&;,\"']+)"
)


def redacted(text: str) -> str:
    """Hide names and passwords in URLs, and the values of words such as ``passphrase=`` and ``user-pw=``."""
    return _SECRET.sub(rf"\g<1>{HIDDEN}", _USER_INFO.sub(f"{HIDDEN}@", text))


def holds_secret(text: str) -> bool:
    """Tell whether ``redacted`` would hide something."""
    return redacted(text) != text
