#!/usr/bin/env python3
"""Write the reference pages that the code itself can write: commands, plugins, records.

    scripts/gen_docs.py            write docs/reference/{cli,plugins,records}.md
    scripts/gen_docs.py --check    write nothing; exit 1 and name the pages that are not what the code says

A command or plugin whose module is not in the tree is named on stderr and left out. One that is there and fails to
import is an error in both modes: then the page would be wrong without anybody seeing it.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import msgspec  # noqa: E402
import yaml  # noqa: E402

from harness.cli._entry_points import GROUPS, installed_points  # noqa: E402
from harness.cli._manual import manual_of  # noqa: E402
from harness.cli.main import COMMANDS  # noqa: E402
from harness.errors import Exit  # noqa: E402

PAGES = ROOT / "docs" / "reference"
MADE = "<!-- made by scripts/gen_docs.py; edit the code's docstrings instead -->"
RECORDS = ("content", "task", "outcome", "transcript", "exchange", "judgement")
WRITTEN_AS = {
    "source": "rows",
    "harness": "harness",
    "grader": "graders",
    "model": "model",
    "sandbox": "sandbox",
}
"""The key of the YAML under which a kind is written."""


def main() -> int:
    """Write or compare the pages."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is stale")
    check = parser.parse_args().check
    absent: list[str] = []
    pages = {
        "cli.md": cli_page(absent),
        "plugins.md": plugins_page(absent),
        "records.md": records_page(),
        "gates.md": gates_page(),
    }
    for name in absent:
        print(f"not in the tree, left out: {name}", file=sys.stderr)
    stale = []
    for name, text in pages.items():
        path = PAGES / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        if check:
            stale.append(name)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    if stale:
        print(f"stale: {', '.join(stale)}; mend with: scripts/gen_docs.py", file=sys.stderr)
    return 1 if stale else 0


def existing(module: str, absent: list[str], what: str) -> Any:
    """The module, or None with a note when it, or one of ours that it needs, is not in the tree."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as e:
        if not (e.name or "").startswith("harness."):
            raise
        absent.append(what if e.name == module else f"{what} (needs {e.name})")
        return None


def cli_page(absent: list[str]) -> str:
    """Every command with its arguments."""
    parts = [
        "# Commands",
        MADE,
        "`harness COMMAND --help` says the same in a terminal. In use: [tutorial](../tutorial.md).",
    ]
    parts.append("\n".join(["| command | |", "|---|---|", *(f"| `{n}` | {s} |" for n, s in COMMANDS.items())]))
    for name, summary in COMMANDS.items():
        module = f"harness.cli.{name}_cmd"
        command = existing(module, absent, module)
        if command is None:
            continue
        parser = argparse.ArgumentParser(prog=f"harness {name}", add_help=False)
        command.add_arguments(parser)
        parts += [f"## harness {name}", summary[:1].upper() + summary[1:] + ".", *_arguments(parser)]
    codes = [f"| {code.value} | {code.name.lower().replace('_', ' ')} |" for code in Exit]
    parts += ["## Exit codes", "\n".join(["| code | |", "|---|---|", *codes])]
    return "\n\n".join(parts) + "\n"


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Our own rendering: argparse words its help differently from one Python to the next."""
    nested = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    plain = [a for a in parser._actions if a not in nested and a.help != argparse.SUPPRESS]
    shown = [a for a in plain if not isinstance(a, argparse._HelpAction)]
    if shown:
        yield "\n".join(["| argument | |", "|---|---|", *(_argument(a) for a in shown)])
    for action in nested:
        for name, sub in action.choices.items():
            yield f"### {parser.prog} {name}"
            help = next((c.help for c in action._choices_actions if c.dest == name), "") or ""
            yield f"{help[:1].upper()}{help[1:]}."
            yield from _arguments(sub)


def _argument(action: argparse.Action) -> str:
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    if isinstance(value, tuple):
        value = " ".join(value)
    if action.option_strings:
        takes = "" if action.nargs == 0 else f" {value}"
        spelt = f"{', '.join(action.option_strings)}{takes}"
    else:
        spelt = f"[{value}]" if action.nargs in ("?", "*") else value
    return f"| `{_cell(spelt)}` | {_cell((action.help or '').replace('%%', '%'))} |"


def plugins_page(absent: list[str]) -> str:
    """Every installed plugin of ours, by kind."""
    parts = [
        "# Plugins",
        MADE,
        "Parameters are written in YAML beside `use:`. `harness plugin list --long` says the same. "
        "The rest of the YAML: [yaml](yaml.md).",
    ]
    for kind in GROUPS:
        manuals = []
        for point in installed_points(kind):
            if point.dist is None or point.dist.name != "eval-harness":
                continue
            if existing(point.module, absent, f"{kind} {point.name}: {point.module}") is None:
                continue
            manuals.append((point.name, manual_of(point.load())))
        if manuals:
            parts.append(f"## Kind: {kind}")
        for name, manual in manuals:
            parts += list(_plugin(kind, name, manual))
    return "\n\n".join(parts) + "\n"


def _plugin(kind: str, name: str, manual: dict[str, Any]) -> Iterator[str]:
    yield f"### {kind} `{name}`"
    yield manual["doc"]
    if manual["fields"]:
        rows = [_field(f) for f in manual["fields"]]
        yield "\n".join(["| parameter | type | default | |", "|---|---|---|---|", *rows])
    said = {"use": name, **manual["example"]}
    written: Any = [said] if kind == "grader" else said
    text = yaml.safe_dump({WRITTEN_AS[kind]: written}, sort_keys=False, allow_unicode=True, width=100)
    yield f"```yaml\n{text}```"
    if manual["cases"]:
        rows = [_case(c) for c in manual["cases"]]
        yield "\n".join(["| answer | reference | parameters | |", "|---|---|---|---|", *rows])
    yield f"Version {manual['version']}."


def _field(field: dict[str, Any]) -> str:
    default = "required" if field["required"] else f"`{_cell(field['default'])}`"
    return f"| `{field['name']}` | `{_cell(field['type'])}` | {default} | {_cell(field['doc'])} |"


def _case(case: dict[str, Any]) -> str:
    cells = [_value(case["answer"]), _value(case["reference"]), _value(case["params"] or None), case["expect"]]
    return f"| {' | '.join(cells)} |"


def _value(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    text = text if len(text) <= 80 else text[:79] + "…"
    return f"`` {_cell(text)} ``" if "`" in text else f"`{_cell(text)}`" if text.strip() else repr(text)


def _cell(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def gates_page() -> str:
    """Every key of a gate's policy."""
    from harness.config import gates

    parts = [
        "# The gate's policy",
        MADE,
        "Keys of `gates.yaml`, of the file that a suite's `gate:` names, or of what is written there. In use: "
        "[gate a run](../how-to/gate.md).",
    ]
    for title, model in (
        ("The policy", gates.GateFile),
        ("A metric", gates.MetricGate),
        ("`must_pass`", gates.MustPass),
        ("`critical_errors`", gates.CriticalErrors),
        ("`cost_per_success`", gates.CostGate),
        ("`latency`", gates.LatencyGate),
        ("`latency_p95`", gates.P95Gate),
    ):
        rows = []
        for name, field in model.model_fields.items():
            plain = not field.is_required() and isinstance(field.default, (bool, int, float, str))
            default = f"`{str(field.default).lower()}`" if plain else "required" if field.is_required() else ""
            rows.append(f"| `{name}` | {default} | {_cell(field.description or '')} |")
        parts += [
            f"## {title}",
            inspect.getdoc(model) or "",
            "\n".join(["| key | default | |", "|---|---|---|", *rows]),
        ]
    parts += [
        "## What can fail",
        "`fail_on` takes " + ", ".join(f"`{w}`" for w in typing.get_args(gates.Failing)) + ".",
    ]
    return "\n\n".join(parts) + "\n"


def records_page() -> str:
    """Every record with its fields."""
    parts = [
        "# Records",
        MADE,
        "What flows through the program and is written to `attempts.jsonl`, `transcripts.jsonl` and "
        "`judgements.jsonl`: [the run folder](run-folder.md).",
    ]
    for name in RECORDS:
        module = importlib.import_module(f"harness.records.{name}")
        parts += [f"## harness.records.{name}", inspect.getdoc(module) or ""]
        for cls in vars(module).values():
            if isinstance(cls, type) and issubclass(cls, msgspec.Struct) and cls.__module__ == module.__name__:
                parts += list(_record(cls))
    return "\n\n".join(parts) + "\n"


def _record(cls: type[msgspec.Struct]) -> Iterator[str]:
    yield f"### {cls.__name__}"
    yield inspect.getdoc(cls) or ""
    rows = []
    for field in msgspec.structs.fields(cls):
        default = "required" if field.required else f"`{_cell(_short_default(field))}`"
        rows.append(f"| `{field.name}` | `{_cell(_type(cls, field))}` | {default} |")
    if rows:
        yield "\n".join(["| field | type | default |", "|---|---|---|", *rows])


def _short_default(field: Any) -> str:
    if field.default is not msgspec.NODEFAULT:
        return repr(field.default)
    return {dict: "{}", list: "[]", tuple: "()"}.get(field.default_factory, "made new")


def _type(cls: type[msgspec.Struct], field: Any) -> str:
    """The annotation as it is written in the source."""
    for owner in cls.__mro__:
        written = vars(owner).get("__annotations__", {}).get(field.name)
        if written is not None:
            return written if isinstance(written, str) else re.sub(r"\b(?:\w+\.)+", "", str(written))
    return "?"


if __name__ == "__main__":
    sys.exit(main())
