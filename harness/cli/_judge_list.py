"""`harness judge list`: who judges, for which grader, and what is known of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.cli._table import table
from harness.config.load import load_suite
from harness.engine.judges import judge_graders
from harness.store.labels import workspace_labels

_HEADER = ("suite", "grader", "judge", "model", "sentinels", "controls", "labels (report/dev)")


def listed(workspace: Path, suite_name: str) -> list[dict[str, Any]]:
    """One row for each judge of each grader of a suite. Raises ConfigError."""
    suite = load_suite(workspace, suite_name)
    labels = Counter((x.grader, x.set) for x in workspace_labels(workspace))
    rows = []
    for name, bound in sorted(suite.graders.items()):
        for grader in judge_graders(bound.grader):
            for judge, model in grader.judges().items():
                rows.append(
                    {
                        "suite": suite.name,
                        "grader": name,
                        "judge": judge,
                        "model": model.lane,
                        "simulated": model.simulated,
                        "sentinels": len(grader.rehearsals(workspace)),
                        "controls": sum(grader.made_controls().values()),
                        "labels": labels[name, "report"],
                        "dev_labels": labels[name, "dev"],
                    }
                )
    return rows


def lines(rows: Sequence[dict[str, Any]]) -> str:
    """The rows for a person; simulated judges say so."""
    if not rows:
        return "no grader asks a judge"
    cells = [
        [
            r["suite"],
            r["grader"],
            r["judge"],
            f"{r['model']}{' (SIMULATED)' if r['simulated'] else ''}",
            str(r["sentinels"]),
            str(r["controls"]),
            f"{r['labels']}/{r['dev_labels']}",
        ]
        for r in rows
    ]
    return table(_HEADER, cells)
