"""Several systems of one run compared with one another: best of N and round robin; each waits for those before."""

from __future__ import annotations

from typing import Any

import pytest
from judge_lab import JudgeLab, planted

from harness.errors import ConfigError
from harness.records.outcome import Grade
from harness.report.build import build_report

ANSWERS = {"d": "It takes 30 days.", "a": "It takes 14 days.", "b": "It takes 31 days.", "c": "It takes 32 days."}
SELECT = {"use": "judge_select", "judge": planted("honest"), "against": [{"system": n} for n in "abc"]}


def pair(system: str, **more: Any) -> dict[str, Any]:
    judge = planted("honest", cache=False)
    return {"use": "judge_pairwise", "name": f"vs-{system}", "judge": judge, "opponent": {"system": system}, **more}


def test_the_best_of_the_systems_of_a_run_is_picked_in_every_rotation(lab: JudgeLab) -> None:
    """`d` stands against a, b and c in four rotations; a named one against those named before it. Exact."""
    assert lab.run(lab.suite(SELECT, ANSWERS, concurrency=4)) == "complete"
    rotations = {n: sum(j.system == n for j in lab.judgements("score")) for n in ANSWERS}
    assert rotations == {"d": 4, "a": 0, "b": 2, "c": 3}
    assert {n: lab.attempt(n).label for n in "bcd"} == {n: "not_selected" for n in "bcd"}
    assert all(set(j.slots) == {"d", "a", "b", "c"} for j in lab.judgements("score") if j.system == "d")
    assert {j.slots[0] for j in lab.judgements("score") if j.system == "d"} == {"d", "a", "b", "c"}
    assert {j.outcome for j in lab.judgements("score")} == {"a"}


@pytest.mark.parametrize("concurrency", [1, 16])
def test_whoever_is_quicker_the_comparisons_are_the_same(lab: JudgeLab, concurrency: int) -> None:
    lab.run(lab.suite(SELECT, ANSWERS, concurrency=concurrency, tasks=5))
    said = sorted((j.task, j.system, j.order, j.slots, j.outcome) for j in lab.judgements("score"))
    assert len(said) == 5 * (4 + 2 + 3)


@pytest.mark.parametrize("use", ["judge_reference", "judge_pairwise"])
def test_a_panels_explanation_is_of_a_member_who_said_so(lab: JudgeLab, use: str) -> None:
    """It was the first member's, also where the others outvoted it: *correct*, and why it is not."""
    (lab.workspace / "graders" / "saying.py").write_text(
        "import json\n"
        "from harness.api import Response, Text, Usage\n"
        "from planted_judges import Planted, PlantedClient\n\n\n"
        "class Saying(Planted):\n"
        '    """Says who it is."""\n\n'
        "    def open(self, workspace):\n"
        "        return Client(self)\n\n\n"
        "class Client(PlantedClient):\n"
        "    async def generate(self, request):\n"
        "        found = await super().generate(request)\n"
        "        said = {**json.loads(found.text), 'reason': self.model.name, 'extracted': self.model.name}\n"
        "        return Response((Text(json.dumps(said)),), 'end', Usage(calls=1), self.model.name)\n"
    )
    words = {"judge_reference": ("foreign", "honest"), "judge_pairwise": ("tie", "honest")}[use]
    panel = [
        {"name": name, "output": "json", "model": {"use": "graders/saying.py:Saying", "name": name, "rule": rule}}
        for name, rule in zip(("alone", "second", "third"), (words[0], words[1], words[1]), strict=True)
    ]
    own = {"opponent": {"field": "expert"}} if use == "judge_pairwise" else {}
    task = {"reference": "14 days", "meta": {"expert": "Thirty days."}}
    lab.run(lab.suite({"use": use, "panel": panel, **own}, {"a": "It takes 14 days."}, task=task))
    assert lab.attempt("a").passed
    grade = lab.attempt("a").grades[use]
    assert isinstance(grade, Grade)
    assert "second" in grade.explanation and "alone" not in grade.explanation
    assert use == "judge_pairwise" or grade.extracted == "second"


def test_a_resumed_run_waits_for_what_is_left(lab: JudgeLab) -> None:
    suite = lab.suite(SELECT, ANSWERS, concurrency=2, tasks=3)
    lab.run(suite)
    whole = sorted((j.task, j.system, j.order, j.slots) for j in lab.judgements("score"))
    path = lab.folder / "attempts.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:5]))
    assert lab.run(suite, resume=True) == "complete"
    assert sorted((j.task, j.system, j.order, j.slots) for j in lab.judgements("score")) == whole


def test_pairs_of_all_systems_are_rated_together_and_decide_nothing(lab: JudgeLab) -> None:
    """A round robin: graders that differ in the opponent only have one calibration, so one rating with every pair."""
    graders = ["match", *(pair(n, informative=True) for n in "abc")]
    suite = lab.suite("match", ANSWERS, task={"reference": "x", "graders": graders}, tasks=6)  # type: ignore[arg-type]
    assert lab.run(suite) == "complete"
    met = {frozenset((j.system, j.opponent)) for j in lab.judgements("score")}
    assert len(met) == 6, "every two of four, once"
    assert len(lab.judgements("score")) == 6 * 6 * 2
    report = build_report(lab.folder)
    assert report.judges is not None
    (rated,) = report.judges.ratings
    assert rated.grader == "vs-a + vs-b + vs-c"
    assert rated.games == 72
    best = max(zip(rated.candidates, rated.strengths, strict=True), key=lambda x: x[1].value)
    assert best[0] == "a"
    (triples,) = [f for f in rated.figures if f.name == "cyclic_triples"]
    assert (triples.n, triples.value) == (4, 0), "now that all met, circles can be seen"


def test_deciding_pairs_that_would_wait_for_each_other_are_refused(lab: JudgeLab) -> None:
    graders = [pair("a"), pair("b")]
    with pytest.raises(ConfigError) as e:
        lab.run(lab.suite("match", ANSWERS, task={"reference": "x", "graders": graders}))  # type: ignore[arg-type]
    told = e.value.render()
    assert "each would wait for the other" in told
    assert "informative: true" in told
