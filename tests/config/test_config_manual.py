"""The reference page of the YAML is what the models say."""

from __future__ import annotations

from pathlib import Path

from harness.config import schema
from harness.config.manual import PARTS, yaml_manual

ROOT = Path(__file__).parents[2]


def test_the_page_is_not_stale() -> None:
    page = (ROOT / "docs" / "reference" / "yaml.md").read_text(encoding="utf-8")
    assert page == yaml_manual(), "run: python -m harness.config.manual docs/reference/yaml.md"


def test_every_key_of_every_file_has_a_text() -> None:
    models = [
        v for v in vars(schema).values() if isinstance(v, type) and issubclass(v, schema.Spec) and v is not schema.Spec
    ]
    assert [f"{m.__name__}.{n}" for m in models for n, f in m.model_fields.items() if not f.description] == []
    assert {m.__name__ for m in models} - {m.__name__ for _, m in PARTS} == {"TaskFields", "SystemsFile"}
