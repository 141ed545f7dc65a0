"""What can go wrong when an agent is installed: one message each."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from harness.errors import RunInvalid, UsageFault

SHOWN = 5
PLATFORM = re.compile(r"-(linux|darwin|win32)-.*")
"""What a registry puts behind the version of a build for one platform; nobody types it."""
OFFLINE = "installed agents need no network: `harness agent list`; copy a layer's folder to work offline"


class NoSuchVersion(UsageFault):
    """The registry has no such package, or not at this version."""

    def __init__(self, package: str, version: str, there: Sequence[str]) -> None:
        if not there:
            super().__init__(f"the registry has no package '{package}'")
            return
        asked = PLATFORM.sub("", version)
        plain = [v for v in there if "-" not in v] or list(dict.fromkeys(PLATFORM.sub("", v) for v in there))
        close = difflib.get_close_matches(asked, plain, n=1, cutoff=0.6)
        hint = f"did you mean {close[0]}? — " if close else ""
        newest = ", ".join(reversed(plain[-SHOWN:]))
        shown = version if asked in plain else asked
        super().__init__(f"{package} has no version {shown}", help=f"{hint}newest: {newest} ({len(there)} in all)")


class Unreachable(RunInvalid):
    """The registry does not answer. What is installed works without it."""

    def __init__(self, package: str, cause: str, help: str = OFFLINE) -> None:
        super().__init__(f"'{package}' cannot be fetched: {cause}", help=help)


NO_NPM = "install npm, or say where packages are: npm_config_registry=ADDRESS harness agent install ..."


def bad_checksum(what: str, expected: str, found: str) -> RunInvalid:
    """Bytes that are not those that were promised are never unpacked."""
    return RunInvalid(
        f"checksum mismatch: {what} is {found}, expected {expected}",
        help="nothing was installed; a proxy or a mirror may serve something else, or agents.lock is of another origin",
    )


def not_written(what: str, store: Path, e: OSError) -> RunInvalid:
    """The folder with the layers has no room, or cannot be written."""
    return RunInvalid(
        f"{what} cannot be laid down in {store}: {e.strerror or e}",
        help="nothing was installed; make room there, or name another folder with XDG_CACHE_HOME",
    )
