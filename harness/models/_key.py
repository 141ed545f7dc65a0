"""Where a key comes from: the environment, by name. Its value goes nowhere but into the SDK's client."""

from __future__ import annotations

import os
from collections.abc import Sequence

from harness.api import UsageFault


def absent(name: str) -> Sequence[str]:
    """The variable's name if it is needed and not set."""
    return (name,) if name and not os.environ.get(name) else ()


def key_from(name: str, model: str) -> str:
    """The key, or nothing when no variable is named. Raises UsageFault naming the variable."""
    if not name:
        return ""
    value = os.environ.get(name, "").strip()
    if not value:
        raise UsageFault(
            f"model '{model}' needs the environment variable {name}, which is not set",
            help=f"export {name}=..., or name another variable with 'api_key_env'",
        )
    return value
