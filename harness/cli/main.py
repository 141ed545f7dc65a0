"""The `harness` command: a table of lazy modules, one error path, exit codes.

Each command is a module `harness.cli.<name>_cmd` with `add_arguments(parser)` and `execute(args) -> int`; it is
imported only when it is called, so that `harness --help` costs nothing.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from harness.errors import Exit, HarnessError

COMMANDS: dict[str, str] = {
    "run": "run a suite: every task under every system, graded and recorded",
    "resume": "finish an interrupted run",
    "regrade": "grade stored outputs again, with new or changed graders and no model call",
    "check": "prove each task: reference passes, nothing fails, no leak, no flake, no cheat",
    "report": "what a run says: coverage, pass rates with intervals, cost, failures",
    "compare": "what changed between two runs, a run and a baseline, or two systems",
    "gate": "is this run good enough: an exit code and files for CI, by a policy and a baseline",
    "baseline": "what later runs are compared with: promote, status, list",
    "power": "how small a loss a suite can find, and what it costs, before money is spent",
    "nightly": "one night of a suite: sentinels, canaries, run or resume, gate, trend, report, outputs",
    "trend": "has anything drifted over the nights, since when, and where does it come from?",
    "route": "which system for which tasks, from what was measured; writes the router's policy",
    "label": "judge what judges judged, blind, by keys: labels that calibrate them",
    "judge": "judges: list them, audit them on stored work, calibrate them by labels",
    "list": "suites, tasks, systems and runs of this workspace",
    "show": "one task, one run, or one trial with its transcript",
    "new": "scaffold a suite, task, grader or harness that runs",
    "schema": "write JSON Schemas so that editors complete and check the YAML",
    "export": "a run as CSV, JSONL or Parquet",
    "plugin": "list installed plugins; check one against its contract",
    "sandbox": "what boxes have left on the engine: list it, remove it",
    "agent": "agent CLIs for boxes: install by exact version, list, verify",
    "doctor": "what this machine has: engine, keys, disk, versions, clock",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run one command, and turn every end into its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _dispatch(words)
        sys.stdout.flush()
        return code
    except HarnessError as e:
        from harness.cli._out import printable

        print(printable(e.render()), file=sys.stderr)
        return e.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        from harness.cli._out import hush

        hush()
        return Exit.OK
    except Exception:  # noqa: BLE001 - the edge of the program: a bug is shown whole, with its own exit code
        import traceback

        traceback.print_exc()
        print("this is a bug in harness itself; nothing measured is lost", file=sys.stderr)
        return Exit.INTERNAL


def _dispatch(words: list[str]) -> int:
    name = next((w for w in words if not w.startswith("-")), "")
    parser = argparse.ArgumentParser(
        prog="harness",
        description="Run your own tasks on any AI system, grade them, and believe the answer.",
        epilog="exit codes: 0 valid, 1 gate failed, 2 usage or configuration, 3 run invalid, 4 inconclusive, "
        "5 nothing ran, 6 not comparable, 70 internal error, 130 interrupted",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    module = None
    for command, summary in COMMANDS.items():
        sub = commands.add_parser(command, help=summary, description=summary)
        if command == name:
            module = importlib.import_module(f"harness.cli.{command}_cmd")
            module.add_arguments(sub)
    if name and name not in COMMANDS:
        _unknown_command(name)
    args = parser.parse_args(words)
    if args.version:
        from importlib.metadata import version

        print(f"harness {version('eval-harness')}")
        return Exit.OK
    if module is None:
        parser.print_help()
        return Exit.USAGE
    return _ended_by_itself(module, args)


def _ended_by_itself(module: ModuleType, args: argparse.Namespace) -> int:
    """Run the command. A plugin that ends the program does not choose the exit code: its 0 would look like a run."""
    try:
        return int(module.execute(args))
    except SystemExit as e:
        raise RuntimeError(f"something that the command called ended the program with {e.code!r}") from e


def _unknown_command(name: str) -> None:
    import difflib

    close = difflib.get_close_matches(name, COMMANDS, n=1)
    raise HarnessError(
        f"no command '{name}'",
        help=(f"did you mean '{close[0]}'? — " if close else "") + f"commands: {', '.join(COMMANDS)}",
    )


if __name__ == "__main__":
    sys.exit(main())
