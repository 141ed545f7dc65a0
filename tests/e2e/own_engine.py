"""A Docker engine of a test's own, on a small disk of its own: it can be stopped, started and filled up.

The machine's engine is left alone; all that is asked of it is the base image. The own one has network interfaces of
its own: an engine that starts without a bridge removes `docker0` from those it finds.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

BASE = "harness-base:bookworm"
DISK = "900m"
UP_S, DOWN_S = 60, 30


def why_not() -> str:
    """Why there can be none here, or nothing."""
    if missing := [name for name in ("dockerd", "docker", "unshare", "mount") if shutil.which(name) is None]:
        return f"not here: {', '.join(missing)}"
    return "" if os.geteuid() == 0 else "an engine of one's own needs root"


@dataclass
class OwnEngine:
    """Started and stopped by its process; everything of it is below `folder`."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.folder / "log"

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/engine.sock"

    def docker(self, *words: str, stdin: subprocess.Popen[bytes] | None = None) -> str:
        done = subprocess.run(
            ["docker", "-H", self.host, *words], stdin=stdin.stdout if stdin else subprocess.DEVNULL,
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"docker {' '.join(words)}: {done.stderr}"
        return done.stdout.strip()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--net", "dockerd", "--data-root", f"{self.folder}/disk/data",
                 "--exec-root", f"{self.folder}/exec", "--pidfile", f"{self.folder}/pid", "-H", self.host,
                 "--bridge=none", "--iptables=false", "--ip6tables=false"],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + UP_S
        while subprocess.run(["docker", "-H", self.host, "version"], capture_output=True, check=False).returncode:
            assert time.monotonic() < until and self.process.poll() is None, self.log.read_text()[-3000:]
            time.sleep(0.2)

    def stop(self) -> None:
        """As a service manager does it: containers end with it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(DOWN_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(DOWN_S)
            self.process = None


@contextmanager
def own_engine(folder: Path) -> Iterator[OwnEngine]:
    """One with the base image, gone with its disk at the end."""
    disk = folder / "disk"
    disk.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(disk)], check=True)
    engine = OwnEngine(folder)
    try:
        engine.start()
        with subprocess.Popen(["docker", "save", BASE], stdout=subprocess.PIPE) as saved:
            engine.docker("load", stdin=saved)
        yield engine
    finally:
        engine.stop()
        subprocess.run(["umount", "-l", str(disk)], check=False)
