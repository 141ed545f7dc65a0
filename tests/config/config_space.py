"""A workspace made of texts, and loading it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from harness.config.load import load_suite
from harness.config.suite import Suite
from harness.errors import ConfigError

SUITE = """\
suite: demo
tasks: [tasks/demo/t*.yaml]
systems:
  - {name: ceiling, harness: reference}
"""


class Space:
    """A workspace folder; `write` takes texts by path, with `tasks/demo/suite.yaml` there from the start."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write({"tasks/demo/suite.yaml": SUITE})

    def write(self, texts: dict[str, str | bytes]) -> Space:
        for name, text in texts.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else dedent(text).lstrip("\n").encode())
        return self

    def load(self, name: str = "demo") -> Suite:
        return load_suite(self.path, name)

    def faults(self, name: str = "demo") -> list[str]:
        """Every fault as `place what`, in the order told."""
        with pytest.raises(ConfigError) as caught:
            self.load(name)
        return [f"{fault.place} {fault.what}" for fault in caught.value.faults]

    def message(self, name: str = "demo") -> str:
        with pytest.raises(ConfigError) as caught:
            self.load(name)
        return caught.value.render()
