"""What `harness judge audit` and `calibrate` end with: the data sheets of a run, drawn, and labels found for it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from harness.cli._labels import named_files
from harness.cli._out import plugins_aside, say
from harness.cli._table import many
from harness.config.load import load_suite
from harness.config.suite import Suite
from harness.config.workspace import run_names
from harness.errors import ConfigError, Exit, Fault, Place, StoreError, UsageFault
from harness.plugins.loader import did_you_mean
from harness.records.label import UNSURE, Label
from harness.report.judges import Elsewhere, judged_elsewhere
from harness.report.judges_gate import worst
from harness.report.judges_items import Item, Judged
from harness.report.judges_labels import Design
from harness.report.judges_model import JudgeReport
from harness.report.judges_read import Beside, read_judges
from harness.report.judges_sections import look_tables, score_tables, validity_tables
from harness.report.text import table_lines
from harness.store.folder import RunFolder
from harness.store.judgements import iter_judgements
from harness.store.labels import FOLDER, LABELS, encode_labels, mixed, read_labels, sound_labels
from harness.store.read import read_manifest

SAID: dict[str, tuple[str, ...]] = {
    "pairwise": ("win", "tie", "loss"),
    "reference": ("correct", "incorrect", "abstained"),
    "rubric": ("met", "partly", "not_met"),
    "claims": ("supported", "contradicted", "not_found"),
}
"""Verdicts by protocol, for those that have the same ones in every task."""


@dataclass(frozen=True, slots=True)
class Found:
    """Labels that fit a run, what its judges said in the other runs that some were drawn from, and the design."""

    labels: Sequence[Label]
    elsewhere: Elsewhere
    design: Design | Literal["auto"] | None


def labels_of_run(workspace: Path, path: Path, graders: Sequence[str], args: argparse.Namespace) -> Found:
    """Labels for these graders, checked against the run; those of this run are kept in its folder, beside those that
    it has for other graders.

    Raises ConfigError with every line that is no label, unknown id, duplicate and mixed set of all files, UsageFault
    when there is no label or the design does not fit them.
    """
    suite = _suite_of(workspace, path) if not args.labels else None
    named = named_files(suite) if suite else []
    design = args.design or (suite.calibration.design if suite else None)
    files = args.labels or named or sorted((workspace / FOLDER).glob("*.jsonl"))
    there, faults = _read(files, workspace)
    placed = [(x, place) for x, place in there if x.grader in graders]
    run = read_manifest(path).run
    faults += _unknown(path, placed, run) + mixed([x for x, _ in placed], "the labels")
    if faults:
        raise ConfigError(faults)
    if not placed:
        where = (
            f" in {', '.join(suite.calibration.labels)}, which the suite's `calibration` names"
            if suite and named
            else ""
        )
        raise UsageFault(f"there is no label for {', '.join(graders)}{where}", help="harness label makes them")
    if (args.labels or named) and not args.grader:
        _tell_left_out([x.grader for x, _ in there if x.grader not in graders], graders)
    labels = [x for x, _ in placed]
    own = [x for x in labels if x.run in ("", run)]
    if design == "run_sample" and not any(x.run == run for x in labels):
        raise UsageFault(
            "no label was drawn from this run, so they are no sample of it", help="--design external, or harness label"
        )
    with RunFolder.open(path) as folder:
        kept = read_labels(path / LABELS) if (path / LABELS).is_file() else []
        folder.write_file(LABELS, encode_labels([*(x for x in kept if x.grader not in graders), *own]))
    return Found(labels, _elsewhere(workspace, path, {x.run for x in labels} - {"", run}), design)


def _read(files: Sequence[Path], workspace: Path) -> tuple[list[tuple[Label, Place]], list[Fault]]:
    """The sound labels of all files, and every fault of all of them."""
    found: list[tuple[Label, Place]] = []
    faults: list[Fault] = []
    for file in files:
        try:
            labels, wrong = sound_labels(file, _shown(file, workspace))
        except StoreError as e:
            faults.append(e.fault)
            continue
        found += labels
        faults += wrong
    return found, faults


def _tell_left_out(others: Sequence[str], graders: Sequence[str]) -> None:
    """A grader's name that is misspelt in a file that was named would otherwise be left out in silence."""
    for name in sorted(set(others)):
        n, help = others.count(name), did_you_mean(name, list(graders))
        note = f"{many(n, 'label')} for '{name}', which judged nothing in this run"
        print(f"left out: {note}{f': {help}' if help else ''}", file=sys.stderr)


def _suite_of(workspace: Path, path: Path) -> Suite:
    """The run's suite as it is today: its `calibration` says by which labels. Raises ConfigError, UsageFault."""
    with plugins_aside():
        return load_suite(workspace, read_manifest(path).suite_path)


def _shown(file: Path, workspace: Path) -> str:
    path = file.resolve()
    return str(path.relative_to(workspace)) if path.is_relative_to(workspace) else file.name


def _unknown(path: Path, placed: Sequence[tuple[Label, Place]], run: str) -> list[Fault]:
    """Labels of this run for work that no judge of that grader saw in it."""
    items: dict[str, set[object]] = {}
    tasks: dict[str, set[str]] = {}
    protocols: dict[str, set[str]] = {}
    for j in iter_judgements(path):
        if j.role == "score":
            items.setdefault(j.grader, set()).add((j.task, j.system, j.epoch, j.opponent, j.about))
            tasks.setdefault(j.grader, set()).add(j.task)
            protocols.setdefault(j.grader, set()).add(j.protocol)
    faults = []
    for label, place in placed:
        if words := _not_said(label, protocols.get(label.grader, set())):
            faults.append(
                Fault(f"'{label.grader}' has no verdict '{label.label}'", place, f"it has: {', '.join(words)}")
            )
        if label.run not in ("", run):
            continue
        known = tasks.get(label.grader, set())
        if label.task not in known:
            help = did_you_mean(label.task, sorted(known)) or f"tasks it judged: {', '.join(sorted(known)[:8])}"
            faults.append(Fault(f"'{label.grader}' judged no task '{label.task}' in this run", place, help))
        elif label.item not in items[label.grader]:
            what = f"'{label.grader}' judged no such work of '{label.task}': {_named(label)}"
            faults.append(Fault(what, place, "system, epoch, opponent and about are those of judgements.jsonl"))
    return faults


def _not_said(label: Label, protocols: set[str]) -> list[str]:
    """What the judges of a grader can say, when the label's word is none of it."""
    if protocols == {"steps"}:
        words = ["right", "wrong"] if label.about else ["clean", "the number of a step"]
        number = label.label.isdecimal() and not label.about
        return [] if number or label.label in (*words, UNSURE) else [*words, UNSURE]
    if not protocols or not protocols <= SAID.keys():
        return []
    words = [word for protocol in sorted(protocols) for word in SAID[protocol]]
    return [] if label.label in (*words, UNSURE) else [*words, UNSURE]


def _named(label: Label) -> str:
    parts = (("system", label.system), ("epoch", label.epoch), ("opponent", label.opponent), ("about", label.about))
    return ", ".join(f"{name} '{value}'" for name, value in parts if value not in ("", 0))


def _elsewhere(workspace: Path, path: Path, runs: set[str]) -> Elsewhere:
    """What the same judges said in other runs. Raises UsageFault when such a run is gone, or its judge was another."""
    here = judged_elsewhere(iter_judgements(path))
    found: dict[tuple[str, str], dict[str, dict[Item, Judged]]] = {}
    for run in sorted(runs):
        if run not in run_names(workspace):
            raise UsageFault(f"labels were drawn from run '{run}', which is gone", help="keep runs that were labelled")
        for key, (calibration, items) in judged_elsewhere(iter_judgements(workspace / "runs" / run)).items():
            if key not in here:
                continue
            if calibration and not set(calibration) & set(here[key][0]):
                raise UsageFault(
                    f"judge '{key[1]}' of '{key[0]}' or its prompt was another one in run '{run}'",
                    help="those labels say nothing about the judge of this run: label this one",
                )
            found.setdefault(key, {})[run] = items
    return found


def draw_sheets(path: Path, args: argparse.Namespace, found: Found | None) -> int:
    """Print the data sheets, of the graders that are named or of all. The exit code is that of the judges alone: 0, 3,
    or 4 under --strict.
    """
    beside = Beside(graders=tuple(args.grader))
    if found:
        beside = replace(beside, labels=found.labels, elsewhere=found.elsewhere, design=found.design)
    report = read_judges(path, read_manifest(path), beside)
    if report is None:
        print("no judge was asked in this run")
        return Exit.NOTHING
    return sheets_out(report, args)


def sheets_out(report: JudgeReport, args: argparse.Namespace, heads: Sequence[str] = ()) -> int:
    """Print data sheets, as JSON where `args` says so; the exit code of the judges."""
    if args.json:
        import msgspec

        say(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
    else:
        say(_drawn(report, heads))
    return _code(report, strict=args.strict)


def _drawn(report: JudgeReport, heads: Sequence[str]) -> str:
    tables = (*validity_tables(report), *score_tables(report), *look_tables(report))
    lines = [
        *heads,
        *(f"!! JUDGE INVALID: {reason}" for reason in report.reasons),
        *(f"!! {w}" for w in report.warnings),
    ]
    return table_lines([*lines, ""] if lines else [], tables)


def _code(report: JudgeReport, *, strict: bool) -> int:
    found = worst(report.sheets)  # of all that were asked for, also those that only inform
    if found == "invalid":
        return Exit.INVALID
    return Exit.INCONCLUSIVE if strict and found == "inconclusive" else Exit.OK
