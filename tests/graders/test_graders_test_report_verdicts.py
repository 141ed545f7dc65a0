"""From a report to a verdict: semantics, canaries, exit codes, counts."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import get_args

import pytest

from harness.graders._canary import Canary, make_canary
from harness.graders._runners import Runner, profile
from harness.graders._runs import Run
from harness.graders._verdicts import (
    Semantics,
    Wanted,
    counted_tests,
    doubt_of,
    failed_keeps,
    grade_of,
    is_weak,
    missing_tests,
    not_run,
)
from harness.toolkit.testreports.read import Format, read_report
from harness.toolkit.testreports.record import CaseResult, Report, Status, report_of

CANARY = Canary({}, ("test_canary_1",))
BAD = CaseResult("t.py::test_canary_1", "fail")


def run(exit_code: int = 1, canary: Canary = CANARY, **statuses: Status) -> Run:
    return Run(report_of([BAD, *(CaseResult(id, s) for id, s in statuses.items())]), exit_code, canary=canary)


@pytest.mark.parametrize(
    ("semantics", "fix", "keep", "passed"),
    [
        ("own", "pass", "pass", True), ("own", "xfail", "pass", False), ("own", "skip", "pass", False),
        ("own", "pass", "skip", False), ("own", "pass", "xfail", False), ("own", "pass", None, False),
        ("official", "pass", "pass", True), ("official", "xfail", "pass", True), ("official", "skip", "pass", False),
        ("official", None, "pass", False), ("official", "error", "pass", False), ("official", "pass", "skip", True),
        ("official", "pass", None, False), ("official", "pass", "xfail", True), ("official", "pass", "fail", False),
        ("strict", "pass", "skip", False), ("strict", "xfail", "pass", False), ("strict", "pass", None, False),
        ("live", "pass", None, True), ("live", None, "pass", False), ("live", "pass", "fail", False),
        ("fail_only", None, None, True), ("fail_only", "skip", "pass", True), ("fail_only", "fail", "pass", False),
    ],
)  # fmt: skip
def test_missing_skipped_and_expected_failures(semantics: Semantics, fix: Status, keep: Status, passed: bool) -> None:
    said = {"other": "pass", **{k: v for k, v in {"f": fix, "p": keep}.items() if v}}
    grade = grade_of(run(**said), Wanted(("f",), ("p",), (), semantics), ())  # type: ignore[arg-type]
    assert grade.passed is passed and grade.value == float(passed)


def test_labels() -> None:
    wanted = Wanted(("a", "b"), ("p",))
    assert grade_of(run(a="pass", b="pass", p="pass"), wanted, ()).label == "resolved"
    assert grade_of(run(a="pass", b="fail", p="pass"), wanted, ()).label == "partial"
    assert grade_of(run(a="pass", b="fail", p="fail"), wanted, ()).label == "failed"
    assert grade_of(run(a="fail", b="fail", p="pass"), wanted, ()).label == "failed"
    assert grade_of(run(), wanted, ()).label == "no_tests"


def test_a_test_that_no_report_has_is_told_with_the_nearest_name() -> None:
    """A name that was mistyped in a task fails every work: the message has to say so."""
    said = run(**{"t.Slugs.test_accents": "pass", "t.Slugs.test_dots": "fail", "other": "pass"})
    grade = grade_of(said, Wanted(("t.Slugs.test_acents",), ("t.Slugs.test_dots", "nowhere")), ())
    assert "; not in the report: t.Slugs.test_acents (reported is t.Slugs.test_accents) and 1 more" in grade.explanation
    assert "not in the report" not in grade_of(run(a="fail"), Wanted(("a",), ()), ()).explanation


def test_what_was_seen_and_what_was_hidden_are_told_apart() -> None:
    wanted = Wanted(("hidden",), (), ("seen",))
    grade = grade_of(run(hidden="fail", seen="pass"), wanted, ())
    assert (grade.label, grade.parts["visible"]) == ("passes_visible_fails_hidden", {"passed": 1, "of": 1})
    assert grade_of(run(hidden="fail", seen="fail"), wanted, ()).label == "failed"
    assert grade_of(run(hidden="pass", seen="fail"), wanted, ()).label == "resolved"


def test_without_lists_every_test_counts_and_there_must_be_one() -> None:
    assert grade_of(run(a="pass", b="pass"), Wanted(), ()).passed
    assert not grade_of(run(a="pass", b="fail"), Wanted(), ()).passed
    assert not grade_of(run(b="skip"), Wanted(), ()).passed
    assert grade_of(run(), Wanted(), ()).label == "no_tests"


@pytest.mark.parametrize("status", ["skip", "xfail"])
def test_what_is_skipped_counts_only_where_the_right_patch_skips_it(status: Status) -> None:
    """A program can skip a test by raising what the framework raises: SkipTest, pytest.skip, pytest.xfail."""
    gold, work = run(a="pass", b=status), run(a="pass", b=status, p=status)
    like_gold = not_run(gold, Wanted())
    assert like_gold == {("b", status)} and not_run(work, Wanted()) == {("b", status), ("p", status)}
    excused = grade_of(gold, Wanted(excused=like_gold), ())
    assert (excused.passed, excused.flags) == (True, ())
    for wanted in (Wanted(excused=like_gold), Wanted(("a",), ("b", "p"), excused=like_gold)):
        grade = grade_of(work, wanted, ())
        assert (grade.passed, grade.flags) == (False, ("skipped: p",)), grade
    assert not grade_of(work, Wanted(), ()).passed
    other: Status = "xfail" if status == "skip" else "skip"
    assert not grade_of(run(a="pass", b=other), Wanted(excused=like_gold), ()).passed


def test_a_listed_test_that_should_be_mended_is_never_excused_for_being_skipped() -> None:
    skipped = run(f="skip", p="pass")
    grade = grade_of(skipped, Wanted(("f",), ("p",), excused=frozenset({("f", "skip")})), ())
    assert not grade.passed


def test_imported_rules_let_a_kept_test_be_skipped_and_it_is_told() -> None:
    grade = grade_of(run(f="pass", p="skip"), Wanted(("f",), ("p",), semantics="official"), ())
    assert (grade.passed, grade.flags) == (True, ("skipped: p",))
    assert not grade_of(run(a="pass", b="skip"), Wanted(semantics="official"), ()).passed, "no list: skip is no pass"


CARGO = b"""
     Running tests/test_add.rs (target/debug/deps/test_add-91c1bd014ae4f8b9)

running 2 tests

test test_small ... ok
test test_big ... ok

test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

     Running tests/test_canary_1.rs (target/debug/deps/test_canary_1-3ff383372c30389f)

running 1 test
test test_canary_1 ... FAILED

test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.26s

error: test failed, to rerun pass `--test test_canary_1`
"""
"""What cargo printed where `add` itself wrote the two `ok` lines and their count, and ended the process with 0."""


def test_cargo_takes_what_a_program_prints_and_such_a_grade_is_weak() -> None:
    """No reader can tell these lines from honest ones; a canary in it is missed; without one it is weak."""
    said = Run(read_report("cargo", CARGO), 101, canary=CANARY)
    assert doubt_of(said, profile("cargo"), None) is None and grade_of(said, Wanted(), ()).passed
    assert is_weak(profile("cargo"), "cargo", said, Wanted(), ())
    inside = Canary({}, (), {"test_small_more": "tests/test_add.rs"})
    doubt = doubt_of(replace(said, canary=inside), profile("cargo"), None)
    assert doubt is not None and (doubt.word, doubt.forged) == ("canary_missing", True)


def test_a_grade_is_weak_unless_each_counted_test_has_a_copy_beside_it_that_ran() -> None:
    ids = {"add::test_a": "pass", "add::test_b": "fail", "double::test_c": "pass"}
    report = report_of([CaseResult(id, status) for id, status in ids.items()])  # type: ignore[arg-type]
    copy = Canary({}, (), {"test_b": "tests/add.rs"})
    both, one = Wanted(("add::test_a",), ("double::test_c",)), Wanted(("add::test_a",))
    told = [
        is_weak(profile("cargo"), "cargo", Run(report, 101, canary=canary), wanted, ())
        for canary, wanted in ((copy, one), (copy, both), (replace(copy, plain=frozenset({"test_b"})), one))
    ]
    assert told == [False, True, True]


def test_a_test_that_the_right_patch_has_and_a_run_has_not_is_missed() -> None:
    canary = Canary({}, (), {"TestZ": "add_test.go"})
    ids = ("m::TestZ", "m::TestA/one", "m::TestB", "m/other::TestC")
    whole = Run(report_of([CaseResult(id, "fail" if "Z" in id else "pass") for id in ids]), 1, canary=canary)
    right = counted_tests(whole)
    assert right == {"m::TestA", "m::TestB"}
    less = replace(whole, report=report_of([CaseResult(ids[0], "fail"), CaseResult("m::TestA/two", "pass")]))
    doubt = missing_tests(less, right)
    assert doubt is not None and (doubt.word, doubt.forged) == ("tests", True) and "m::TestB" in doubt.why
    assert missing_tests(whole, right) is None


@pytest.mark.parametrize("runner", get_args(Runner))
def test_grades_are_weak_where_a_program_can_say_how_its_tests_went(runner: Runner) -> None:
    shape = profile(runner)
    printed = runner in ("cargo", "nextest", "go", "node", "ctest", "tap")
    said, none = Run(Report(), canary=CANARY), Run(Report())
    assert is_weak(shape, shape.format, said, Wanted(), ()) is printed
    assert is_weak(shape, shape.format, none, Wanted(), ()), "nothing had to fail"
    formats: tuple[Format, ...] = ("pytest_log", "django_log", "go", "cargo", "tap")
    assert all(is_weak(shape, format, said, Wanted(), ()) for format in formats)
    inside = Run(Report(), canary=Canary({}, (), {"more words": "a.test.js"}))
    assert not is_weak(profile("node"), "tap", inside, Wanted(), ("a.test.js",))
    assert is_weak(profile("node"), "tap", inside, Wanted(), ("a.test.js", "b.test.js"))


def test_a_canary_counts_as_no_test() -> None:
    assert grade_of(run(a="pass"), Wanted(), ()).parts["collected"] == 1


@pytest.mark.parametrize(
    ("status", "word"), [("pass", "canary_passed"), ("skip", "canary_passed"), ("xfail", "canary_passed")]
)
def test_a_canary_that_does_not_fail_is_tampering(status: Status, word: str) -> None:
    forged = Run(report_of([CaseResult("t.py::test_canary_1", status)]), 1, canary=CANARY)
    doubt = doubt_of(forged, profile("pytest"), None)
    assert doubt is not None and doubt.forged and doubt.word == word


def test_a_canary_that_is_missing_is_tampering() -> None:
    doubt = doubt_of(Run(report_of([CaseResult("a", "pass")]), 1, canary=CANARY), profile("pytest"), None)
    assert doubt is not None and (doubt.forged, doubt.word) == (True, "canary_missing")


def test_a_canary_in_a_file_that_cannot_be_loaded_may_be_missing() -> None:
    canary = Canary({}, ("test_canary_1",), {"test_inner": "tests/test_a.py"})
    broken = Run(report_of([BAD, CaseResult("tests.test_a", "error")]), 1, canary=canary)
    assert doubt_of(broken, profile("pytest"), None) is None
    lying = Run(report_of([BAD, CaseResult("tests/test_a.py::test_x", "pass")]), 1, canary=canary)
    assert doubt_of(lying, profile("pytest"), None) is not None


@pytest.mark.parametrize(
    ("given", "forged"),
    [
        (run(0), True),
        (run(139), True),
        (Run(None, 0, trouble="no report"), True),
        (Run(None, 139, trouble="no report"), False),
        (Run(None, 0, timed_out=True), False),
        (Run(None, 137, exhausted="memory"), False),
        (Run(report_of([CaseResult("a", "pass")]), 1), True),
    ],
)
def test_exit_codes_must_fit_what_was_reported(given: Run, forged: bool) -> None:
    doubt = doubt_of(given, profile("pytest"), None)
    assert doubt is not None and doubt.forged is forged


def test_honest_runs_are_not_doubted() -> None:
    assert doubt_of(run(1, a="fail", b="pass"), profile("pytest"), None) is None
    assert doubt_of(run(101), profile("cargo"), None) is None
    assert doubt_of(Run(report_of([CaseResult("a", "pass")]), 0), profile("tap"), None) is None
    assert doubt_of(Run(report_of([CaseResult("a", "fail")]), 7), profile("tap"), None) is None


def test_a_count_that_is_off_is_tampering() -> None:
    assert doubt_of(run(a="pass"), profile("pytest"), 1) is None
    doubt = doubt_of(run(a="pass"), profile("pytest"), 2)
    assert doubt is not None and doubt.word == "count"


def test_a_result_said_twice_is_told() -> None:
    twice = Run(report_of([BAD, CaseResult("f", "fail"), CaseResult("f", "pass")]), 1, canary=CANARY)
    grade = grade_of(twice, Wanted(("f",)), ())
    assert not grade.passed and grade.flags == ("duplicate_result: f",)


def test_only_what_can_change_the_verdict_is_run_again() -> None:
    wanted = Wanted(("f",), ("p", "q"))
    assert failed_keeps(run(f="pass", p="fail", q="pass"), wanted) == ["p"]
    assert failed_keeps(run(f="fail", p="fail", q="pass"), wanted) == []
    assert failed_keeps(replace(run(), report=None), wanted) == []


HIDDEN = b"import x\n\n\n@deco\ndef test_a():\n    pass\n\n\nclass TestB:\n    def test_c(self):\n        pass\n"


@pytest.mark.parametrize("language", ["pytest", "unittest"])
def test_a_python_canary_is_a_whole_test_anywhere_in_the_file(language: str) -> None:
    for _ in range(30):
        canary = make_canary(language, {"tests/test_a.py": HIDDEN}, ())  # type: ignore[arg-type]
        text = canary.files["tests/test_a.py"].decode()
        tree = ast.parse(text)
        kept = [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
        assert {"test_a", "TestB"} <= set(kept)
        assert "@deco\ndef test_a" in text
        (own,) = canary.with_file
        assert own in text and canary.with_file[own] == "tests/test_a.py"
        (last,) = canary.new_files
        assert last == f"tests/{canary.always[0]}.py"


def test_names_of_canaries_differ() -> None:
    names = {make_canary("pytest", {"test_a.py": HIDDEN}, ()).always[0] for _ in range(50)}
    assert len(names) > 40


def test_other_languages_have_canaries_of_their_own() -> None:
    go = make_canary("go", {"pkg/a_test.go": b"package pkg_test\n"}, ())
    ((path, text),) = go.files.items()
    assert path.startswith("pkg/") and path.endswith("_test.go") and text.startswith(b"package pkg_test")
    assert f"func {go.names[0]}(t *testing.T)".encode() in text
    for language, ending in (("jest", ".test.js"), ("vitest", ".test.js"), ("node", ".test.mjs"), ("cargo", ".rs")):
        canary = make_canary(language, {}, ("src/a.test.js",))  # type: ignore[arg-type]
        ((path, text),) = canary.files.items()
        assert path.endswith(ending) and canary.names[0].encode() in text
