"""What docs/how-to/harnesses.md shows is true: its harness keeps the contract, its YAML is accepted."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from harness.api import Harness
from harness.models.scripted import Scripted
from harness.plugins.loader import load
from harness.testing.check_harness import check_harness
from harness.testing.checks import failed
from harness.testing.fakes import FakeContext, Says, a_task
from harness.toolkit.routing import parse_policy

PAGE = (Path(__file__).parents[2] / "docs/how-to/harnesses.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
YAMLS = [text for kind, text in BLOCKS if kind == "yaml"]


def test_the_harness_of_the_page_keeps_the_contract(tmp_path: Path) -> None:
    source = next(text for kind, text in BLOCKS if kind == "python" and "class Twice" in text)
    (tmp_path / "harnesses").mkdir()
    (tmp_path / "harnesses/twice.py").write_text(source)
    cls = cast("type[Harness]", load("harness", "harnesses/twice.py:Twice", tmp_path))
    assert failed(check_harness(cls, tmp_path)) == []
    ctx = FakeContext(tmp_path, Says("14 days"))
    assert asyncio.run(cls().solve(a_task("How long?"), ctx)).answer == "14 days"
    assert len(ctx.calls) == 2 and len(ctx.calls[1].request.messages) == 3


def test_the_policy_of_the_page_is_a_policy() -> None:
    text = next(t for t in YAMLS if "policy: 1" in t)
    assert parse_policy(text, "p.yaml").systems == ("careful", "agent", "cheap")


@pytest.mark.parametrize("text", [t for t in YAMLS if t.startswith("harness:")])
def test_every_harness_of_the_page_can_be_built(text: str, tmp_path: Path) -> None:
    params: dict[str, Any] = yaml.safe_load(text)["harness"]
    built(params, tmp_path)


def built(params: dict[str, Any], workspace: Path) -> Harness:
    inner = {"inner": built(params["inner"], workspace)} if "inner" in params else {}
    cls = cast("type[Harness]", load("harness", params["use"], workspace))
    return cls.model_validate({k: v for k, v in params.items() if k not in ("use", "inner")} | inner)


def test_every_scripted_model_of_the_page_can_be_opened(tmp_path: Path) -> None:
    text = next(t for t in YAMLS if "scripted/echo" in t)
    models = [yaml.safe_load(part) for part in re.split(r"(?m)^model:", text)[1:]]
    assert models[0] == "scripted/echo" and len(models) == 4
    for model in models[1:]:
        Scripted.model_validate({k: v for k, v in model.items() if k != "use"}).open(tmp_path)


def test_the_page_names_every_installed_harness() -> None:
    from harness.plugins.loader import installed

    assert [name for name in installed("harness") if f"| `{name}` |" not in PAGE] == []
