"""What `run` and `resume` share: execution options, the run itself, the report at its end, the exit code."""

from __future__ import annotations

import argparse
import gc
import logging
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.cli._numbers import amount, whole
from harness.cli._out import plugins_aside, say
from harness.cli.progress import Progress
from harness.engine.retry import RetryPolicy
from harness.engine.run import Ending
from harness.engine.session import Job, run_job
from harness.errors import Exit, StoreError
from harness.records.outcome import IS_OPPONENT, Trouble
from harness.store.folder import RunFolder
from harness.store.log import run_log
from harness.store.read import iter_attempts

if TYPE_CHECKING:
    from harness.report.model import Report

FEW = 3
LONGEST_REASON = 300


def add_execution_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of how to run, not of what."""
    how = parser.add_argument_group("how")
    how.add_argument("--budget-usd", type=amount, metavar="USD", help="stop before this much is spent in this run")
    how.add_argument("-j", "--concurrency", type=whole, metavar="N", help="trials in flight")
    how.add_argument("--boxes", type=whole, metavar="N", help="trials in flight that work in a box (cores x 2)")
    how.add_argument(
        "--max-wait", type=amount, default=600.0, metavar="S", help="longest wait of one call for retries (600)"
    )
    how.add_argument("--cache", action="store_true", help="reuse answers of equal model calls (not for measuring)")
    how.add_argument("--allow-unpriced", action="store_true", help="run models without a price under a budget")
    how.add_argument("--workspace", type=Path, metavar="DIR", help="the folder with tasks/, graders/, runs/")
    how.add_argument("--json", action="store_true", help="the summary as JSON on stdout")
    how.add_argument("--quiet", action="store_true", help="no progress")
    strict = "exit 4 where a judge is not proven valid; a new run refuses judges of a subject's family or no snapshot"
    how.add_argument("--strict", action="store_true", help=strict)


def policy_of(args: argparse.Namespace) -> RetryPolicy:
    """The retry policy the options ask for."""
    return RetryPolicy(max_wait_s=args.max_wait)


def execute_job(job: Job, args: argparse.Namespace) -> int:
    """Run, write the report files, print the report; the exit code says whether the run is valid.

    Closes the run folder. The caller keeps no reference to the job: its tasks are given up before the report is made,
    which reads the run folder alone.
    """
    with job.folder as folder:
        told = job.told
        ending = _logged_run(job, args.quiet)
        del job
        gc.collect()
        report = publish(folder, as_json=args.json)
        if ending == "interrupted":
            print(f"interrupted; what finished is saved. continue with: {_resume(folder)}", file=sys.stderr)
            return Exit.INTERRUPTED
        if ending == "judge":
            print(f"stopped: {'; '.join(told)}", file=sys.stderr)
            print(f"no verdict after that could be believed; mend the judge, then: {_resume(folder)}", file=sys.stderr)
            return Exit.INVALID
        if ending == "budget":
            print(f"the budget is used up. continue with: {_resume(folder)} --budget-usd N", file=sys.stderr)
        elif report.exit_code == Exit.INVALID:
            for line in (*way_out(report, folder.manifest.run), *reasons(folder.path)):
                print(line, file=sys.stderr)
        return strict_code(report, args)


def strict_code(report: Report, args: argparse.Namespace) -> int:
    """The report's exit code under `--strict`, if that was said."""
    from harness.report.judges_read import exit_code_of

    return exit_code_of(report, strict=args.strict)


@plugins_aside()
def _logged_run(job: Job, quiet: bool) -> Ending:
    log = logging.getLogger("harness.run")
    log.setLevel(logging.INFO)
    handler = run_log(job.folder.path, job.folder.secrets)
    log.addHandler(handler)
    try:
        log.info("%s: %d trials planned", job.folder.manifest.run, job.folder.manifest.n_trials)
        ending = run_job(job, Progress(quiet=quiet).watch)
        log.info("ended: %s", ending)
        return ending
    except StoreError as e:
        log.error("%s", e)
        raise
    finally:
        log.removeHandler(handler)
        handler.close()


def way_out(report: Report, run: str) -> list[str]:
    """What mends a run that is not valid: each cause needs another thing, and `resume` helps only one of them."""
    missing: Counter[str] = Counter()
    for system in report.systems:
        for cause in system.coverage.missing:
            mended_by_nothing = cause.name.endswith(IS_OPPONENT)
            missing["" if mended_by_nothing else cause.name.partition(":")[0]] += cause.n
    lines = ["this run is not valid"]
    if again := missing["infra_error"] + missing["unfinished"] + missing["not run"]:
        lines.append(f"{again} to be tried again: harness resume {run}")
    if ungradable := missing["ungradable"]:
        lines.append(f"{ungradable} without a verdict: mend the grader, then: harness regrade {run}")
    if report.judges and report.judges.validity == "invalid":
        lines.append("a judge failed its gate: read its data sheet; mend the judge, then: harness regrade " + run)
    if skipped := missing["skipped"]:
        lines.append(f"{skipped} skipped: supply what is missing, or choose with --system and --task, and run anew")
    return lines


def reasons(run: Path) -> list[str]:
    """What the first trial of each cause failed of, in the words of its record: at most FEW, each with what shows more.

    Trials that were tried again and did better are left out.
    """
    failed: dict[tuple[str, str, int], Trouble] = {}
    for attempt in iter_attempts(run):
        trial = (attempt.task, attempt.system, attempt.epoch)
        failed.pop(trial, None)
        if attempt.trouble is not None and attempt.status == "infra_error":
            failed[trial] = attempt.trouble
    first: dict[str, str] = {}
    for (task, system, _), trouble in failed.items():
        printable = "".join(c if c.isprintable() else " " for c in trouble.detail)  # a box may have said it
        said = " ".join(printable.split())[:LONGEST_REASON]
        first.setdefault(trouble.cause, f"  {trouble.cause}: {said} (harness show {run.name} {task} {system})")
    return list(first.values())[:FEW]


def publish(folder: RunFolder, *, as_json: bool) -> Report:
    """Write summary.json and report.md, print the report even if that fails, and return it.

    The report and its numerics are imported here, when the run is over and its tasks are given up: 40 MB less beside
    a large run.
    """
    from harness.report.markdown import render_full_markdown
    from harness.report.reliability import full_report
    from harness.report.summary import full_json
    from harness.report.text import render_text

    full = full_report(folder.path)
    report = full.report
    summary = msgspec.json.format(msgspec.json.encode(full_json(full)))
    try:
        folder.write_file("summary.json", summary + b"\n")
        folder.write_file("report.md", render_full_markdown(full))
    finally:
        say((summary.decode() if as_json else render_text(report)) + "\n")
    print(f"report: {shown(folder)}/report.md", file=sys.stderr)
    return report


def shown(folder: RunFolder) -> str:
    """The folder's path as a person would type it from here."""
    path, here = folder.path.resolve(), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _resume(folder: RunFolder) -> str:
    return f"harness resume {folder.manifest.run}"
