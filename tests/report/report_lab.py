"""Runs with hostile words in them, and a reader of HTML, for tests of the full report."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "golden"))

from cases import attempt, info, manifest, write

from harness.records.outcome import Grade, Output

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}{% raw %}$\\frac$&amp;\x1b[31m\x00‮\u2028]]>-->"


class Page(HTMLParser):
    """What a page has: its elements with their attributes, its text, and elements left open."""

    VOID = frozenset(("meta", "br", "img", "link", "hr", "input", "path", "use", "rect", "circle", "line"))

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in self.VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        self.text.append(data)

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.found}


def hostile(runs: Path) -> Path:
    """Every text that a user, a model or a grader can choose is an attack."""
    found = []
    for i in range(24):
        for epoch in (1, 2):
            for system in ("alpha", f"b {EVIL}"):
                passed = i % 3 > 0
                grade = Grade(float(passed), passed, label=EVIL[:40], explanation=EVIL, critical=not passed)
                found.append(
                    attempt(
                        f"t{i:02d} {EVIL}",
                        system,
                        passed,
                        epoch=epoch,
                        family=EVIL if i < 3 else f"f{i}",
                        tags=(EVIL, f"variant:{EVIL}:t{(i // 2) * 2:02d} {EVIL}"),
                        label=EVIL[:40],
                        grades={EVIL: grade},
                        flags=(f"{EVIL}: {EVIL}",),
                        limit=EVIL if i == 4 else "",
                        output=Output(
                            answer=EVIL, confidence=0.5 + i / 100, metrics={"ended": EVIL, "format_errors": 2}
                        ),
                    )
                )
    plan = manifest((info("alpha"), info(f"b {EVIL}")), 24, 2, versions={EVIL: EVIL}, git=EVIL)
    return write(runs, plan, found)
