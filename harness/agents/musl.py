"""musl's loader beside a program, so that one build runs in every image, with glibc, with musl, and with no libc.

A program for musl needs nothing but its loader, which is musl's libc as well. The program names it as
`/lib/ld-musl-x86_64.so.1`; here that name is overwritten, in place, by a shorter one inside the mount. So nothing is
mounted outside /opt/agent, and the program stays what /proc/self/exe says it is (an explicit call of the loader would
change that, and Claude Code starts itself again).
"""

from __future__ import annotations

import base64
import hashlib
import io
import platform
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from harness.errors import RunInvalid
from harness.toolkit.agent_layers import MOUNT, LayerSource

LOADER = "ld-musl.so.1"
NAMED = re.compile(rb"/lib/ld-musl-[a-z0-9_]+\.so\.1\0")
HEAD = 64 * 1024
"""The name of the loader stands near the beginning of a program."""
APT_S = 120


def add_loader(root: Path, program: Path) -> LayerSource | None:
    """Put the loader into `root` and make `program` use it; where it came from, or None when there is none to be had.

    The loader of this machine is taken, else Debian's `musl` through apt.
    """
    found = _from_machine() or _from_debian(root.parent)
    if found is None:
        return None
    data, source = found
    (root / LOADER).write_bytes(data)
    (root / LOADER).chmod(0o755)
    use_loader(program, f"{MOUNT}/{LOADER}")
    return source


def use_loader(program: Path, loader: str) -> None:
    """Overwrite the name of the loader in a program. Raises RunInvalid when the program names none."""
    with program.open("r+b") as file:
        found = NAMED.search(file.read(HEAD))
        if found is None:
            raise RunInvalid(f"{program.name} names no musl loader: it is not a program for musl")
        name = loader.encode() + b"\0"
        if len(name) > len(found[0]):
            raise ValueError(f"{loader} is longer than what it replaces")
        file.seek(found.start())
        file.write(name.ljust(len(found[0]), b"\0"))


def _from_machine() -> tuple[bytes, LayerSource] | None:
    path = Path(f"/lib/ld-musl-{platform.machine()}.so.1")
    if not path.is_file():
        return None
    data = path.read_bytes()
    return data, LayerSource("machine", path.name, "", _sri(data))


def _from_debian(scratch: Path) -> tuple[bytes, LayerSource] | None:
    """Out of the package as apt has it, whose own checksums apt checks. None without apt, or when it has no musl."""
    if shutil.which("apt-get") is None:
        return None
    folder = scratch / "musl"
    folder.mkdir()
    try:
        subprocess.run(["apt-get", "download", "musl"], cwd=folder, capture_output=True, timeout=APT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    package = next(folder.glob("musl_*.deb"), None)
    if package is None:
        return None
    whole = package.read_bytes()
    version = package.name.split("_")[1]
    with tarfile.open(fileobj=io.BytesIO(_member(whole, b"data.tar")), mode="r:*") as tar:
        for member in tar:
            if member.isfile() and member.name.endswith("/libc.so"):
                opened = tar.extractfile(member)
                assert opened is not None
                return opened.read(), LayerSource("debian", "musl", version, _sri(whole))
    return None


def _member(archive: bytes, name: bytes) -> bytes:
    """A member of an ar archive, which a .deb is: 60 bytes of head each, contents padded to even lengths."""
    at = 8
    while at + 60 <= len(archive):
        head = archive[at : at + 60]
        size = int(head[48:58])
        if head.startswith(name):
            return archive[at + 60 : at + 60 + size]
        at += 60 + size + size % 2
    raise RunInvalid(f"the Debian package of musl has no {name.decode()}")


def _sri(data: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
