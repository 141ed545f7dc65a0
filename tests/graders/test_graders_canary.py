"""Canaries: copies of hidden tests, in every hidden file, that fail and that nothing but their failing tells apart."""

from __future__ import annotations

import ast
import random
import re
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from harness.graders import _canary_blocks as blocks
from harness.graders import _canary_javascript as javascript
from harness.graders import _canary_python as python
from harness.graders._canary import Canary, make_canary
from harness.graders._runners import boot_files
from harness.toolkit.testreports.read import read_report
from harness.toolkit.testreports.record import CaseResult, Report, report_of

WORK = "STATE = []\n\n\ndef add(a, b):\n    return a + b\n\n\n"
WORK += "def once(x):\n    assert x not in STATE\n    STATE.append(x)\n"
PYTEST = b"""import pytest
from work import add, once


def test_small_sum():
    assert add(1, 2) == 3


@pytest.mark.parametrize("a", [1, 10])
def test_many_sums(a):
    assert add(a, 5) == a + 5


def test_once_only():
    once(1)


def test_raises():
    with pytest.raises(TypeError):
        add(1, None)


@pytest.mark.skip
def test_later():
    assert add(1, 1) == 2


class TestMore:
    def test_words(self):
        assert add("a", "b") == "ab"

    def test_lists(self):
        got = add([1], [2])
        assert got == [1, 2]"""
UNITTEST = b"""import unittest

from work import add, once


class Adds(unittest.TestCase):
    def test_small_sum(self):
        self.assertEqual(add(1, 2), 3)

    def test_once_only(self):
        once(1)

    def test_many(self):
        for a in range(3):
            with self.subTest(a=a):
                self.assertEqual(add(a, 1), a + 1)

    def test_raises(self):
        with self.assertRaises(TypeError):
            add(1, None)

    @unittest.skip("later")
    def test_later(self):
        self.fail()
"""
HIDDEN = {"pytest": PYTEST, "unittest": UNITTEST}


def run_python(language: str, folder: Path, canary: Canary) -> Report:
    """The report of our own starters."""
    (folder / "work.py").write_text(WORK)
    for path, data in {**canary.files, **{"boot/" + k: v for k, v in boot_files({}).items()}}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    report, boot = folder / "report", folder / "boot"
    more = [str(boot / "pytest.ini"), str(report), "0", "0", ""] if language == "pytest" else [str(report), "0", ""]
    files = ["tests/test_sums.py", *canary.new_files]
    subprocess.run([sys.executable, str(boot / f"_box_{language}.py"), str(folder), *more, *files],
                   cwd=folder, check=False, capture_output=True)  # fmt: skip
    return read_report("junit" if language == "pytest" else "lines", report.read_bytes(), str(folder))


@pytest.mark.parametrize("language", ["pytest", "unittest"])
@pytest.mark.parametrize("turn", range(6))
def test_copies_fail_and_the_right_work_still_passes(language: str, turn: int, tmp_path: Path) -> None:
    canary = make_canary(language, {"tests/test_sums.py": HIDDEN[language]}, ())  # type: ignore[arg-type]
    report = run_python(language, tmp_path, canary)
    assert canary.faults(report) == [], report
    own = canary.without(list(report.results))
    assert {report.results[id].status for id in own} == {"pass", "skip"}
    assert len(own) == (8 if language == "pytest" else 5)
    assert len(canary.with_file) >= 2


@pytest.mark.parametrize("language", ["pytest", "unittest"])
def test_copies_cannot_be_told_by_name_and_name_the_work(language: str) -> None:
    for _ in range(20):
        canary = make_canary(language, {"tests/test_sums.py": HIDDEN[language]}, ())  # type: ignore[arg-type]
        tree = ast.parse(canary.files["tests/test_sums.py"])
        tests = {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
        for name in canary.with_file:
            assert re.fullmatch(r"test(_[a-z]+)+", name)
            assert {"add", "once"} & {n.id for n in ast.walk(tests[name]) if isinstance(n, ast.Name)}
        assert len(set(canary.names)) == len(canary.names) == len(canary.with_file) + 1


@pytest.mark.parametrize("text", [PYTEST, b"from work import add\n"], ids=["copies", "plain"])
def test_no_canary_has_the_name_of_one_in_another_file(text: bytes) -> None:
    for seed in range(5):
        alone = python.grown("pytest", text, "", random.Random(seed))
        beside = python.grown("pytest", text, " ".join(alone.copies) if alone else "", random.Random(seed))
        assert alone and beside and not set(alone.copies) & set(beside.copies)
        test = b"test('adds', () => {\n  assert.equal(1, 1);\n});\n"
        one = javascript.grown("node", "a.test.js", test, "", random.Random(seed))
        other = javascript.grown("node", "b.test.js", test, one.title if one else "", random.Random(seed))
        assert one and other and one.title != other.title


def test_no_canary_has_the_name_of_a_test_in_its_own_spelling() -> None:
    """Two functions of a name do not compile in Go: right work would fail."""
    for seed in range(20):
        taken = f"func {blocks.plain_name('go', '', random.Random(seed))}(t *testing.T) {{}}"
        name = blocks.plain_name("go", taken, random.Random(seed))
        assert name.startswith("Test") and name not in taken


def test_a_body_that_changes_something_is_not_run_twice() -> None:
    hidden = b"from work import once\n\n\ndef test_once():\n    once(1)\n"
    (name,) = (canary := make_canary("pytest", {"test_a.py": hidden}, ())).with_file
    tests = {n.name: n for n in ast.parse(canary.files["test_a.py"]).body if isinstance(n, ast.FunctionDef)}
    assert isinstance(tests[name].body[0], ast.Assert) and len(tests[name].body) == 2


def test_a_body_that_uses_what_tests_share_is_not_run_twice() -> None:
    hidden = b"from work import Store\n\nstore = Store()\n\n\ndef test_add():\n    assert store.add(1) == 1\n"
    (name,) = (canary := make_canary("pytest", {"test_a.py": hidden}, ())).with_file
    tests = {n.name: n for n in ast.parse(canary.files["test_a.py"]).body if isinstance(n, ast.FunctionDef)}
    assert len(tests[name].body) == 2 and "store" not in ast.unparse(tests[name].body[0])
    node = NODE.replace(b"test('no", b"const seen = new Set();\n\ntest('no").replace(b"slug(", b"slug(seen, ")
    ((title, path),) = (other := make_canary("node", {"a.test.js": node}, ())).with_file.items()
    assert re.search(rf"'{title}'.*\n  assert.strictEqual\(\d+, \d+\);\n  assert", other.files[path].decode())


def test_a_copy_may_be_skipped_only_with_its_test() -> None:
    canary = Canary({}, (), {"test_b_x": "test_a.py"}, {"test_b_x": "test_b"})
    both = [CaseResult("test_a.py::test_b", "skip"), CaseResult("test_a.py::test_b_x", "skip")]
    assert canary.faults(report_of(both)) == []
    assert canary.faults(report_of([CaseResult("test_a.py::test_b", "pass"), both[1]])) == ["canary_passed"]


def test_a_test_of_a_canarys_name_in_another_file_is_a_test() -> None:
    canary = Canary({}, (), {"test_b_x": "test_a.py"})
    ids = ["test_a.py::test_b_x", "test_a.py::test_b_x[1]", "test_c.py::test_b_x", "test_a.py::test_b_xy"]
    assert canary.without(ids) == ids[2:]


def test_a_class_that_cannot_be_set_up_has_no_copies_to_report() -> None:
    canary = Canary({}, (), {"test_b_x": "tests/test_a.py"})
    broken = [CaseResult("setUpClass (tests.test_a.B)", "error"), CaseResult("tests.test_a.C.test_c", "pass")]
    assert canary.faults(report_of(broken)) == []
    assert canary.faults(report_of(broken[1:])) == ["canary_missing"]


NODE = b"""'use strict';
const test = require('node:test');
const assert = require('node:assert');
const { slug } = require('../src/slug.js');

test('no hyphen at the ends', () => {
  assert.strictEqual(slug(' a '), 'a');
});

test('digits stay', () => {
  assert.strictEqual(slug('Top 10'), 'top-10');
});
"""
JEST = b"import { slug } from '../slug';\n\ndescribe('slug', () => {\n  it('digits stay', async () => {\n    expect(slug('a')).toBe('a');\n  });\n});\n"  # noqa: E501
ODD = b"import { test } from 'node:test';\nimport { slug } from '../slug.js';\ntest('digits stay', (t) => t.plan(1));\n"


def test_javascript_has_one_in_every_hidden_file_and_one_more() -> None:
    canary = make_canary("node", {"test/a.test.js": NODE, "test/b.test.js": ODD}, ("test/a.test.js", "test/b.test.js"))
    assert sorted(canary.with_file.values()) == ["test/a.test.js", "test/b.test.js"] and len(canary.always) == 1
    inside = {path: title for title, path in canary.with_file.items()}
    text = canary.files["test/a.test.js"].decode()
    copy = text.split(f"test('{inside['test/a.test.js']}', () => {{\n")[1].split("\n});")[0]
    assert re.fullmatch(r"  assert.strictEqual\(slug\('.*'\), '.*'\);", copy) and copy + "\n" not in NODE.decode()
    assert inside["test/b.test.js"] in canary.files["test/b.test.js"].decode()
    jest = make_canary("jest", {"src/a.test.js": JEST}, ())
    ((title, path),) = jest.with_file.items()
    assert f"  it('{title}', async () => {{\n    expect(slug('a')).toBe('" in jest.files[path].decode()


@pytest.mark.skipif(which("node") is None, reason="needs node")
def test_a_node_canary_fails_beside_tests_that_pass(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/slug.js").write_text("exports.slug = (t) => t.trim().toLowerCase().replace(/ /g, '-');\n")
    canary = make_canary("node", {"test/a.test.js": NODE}, ())
    (tmp_path / "test").mkdir()
    for path, data in canary.files.items():
        (tmp_path / path).write_bytes(data)
    argv = ["node", "--test", "--test-reporter=tap", *canary.files]
    done = subprocess.run(argv, cwd=tmp_path, check=False, capture_output=True)
    report = read_report("tap", done.stdout, str(tmp_path))
    assert canary.faults(report) == []
    assert {report.results[id].status for id in canary.without(list(report.results))} == {"pass"}


def test_a_javascript_file_that_cannot_be_loaded_has_no_canary_to_report() -> None:
    canary = Canary({}, (), {"hyphen stay value": "test/a.test.js"})
    assert canary.faults(report_of([CaseResult("/repo/test/a.test.js", "fail")])) == []
    assert canary.faults(report_of([CaseResult("digits stay", "pass")])) == ["canary_missing"]


def test_go_has_one_in_every_folder_of_hidden_tests() -> None:
    hidden = {"a/x_test.go": b"package a\n", "a/y_test.go": b"package a_test\n", "b/z_test.go": b"package b\n"}
    canary = make_canary("go", hidden, tuple(hidden))
    assert sorted({Path(path).parent.name for path in canary.files}) == ["a", "b"]
    names = {path.partition("/")[0]: name for name, path in canary.with_file.items()}
    good = CaseResult(f"m/a::{names['a']}", "fail")
    assert canary.faults(report_of([good, CaseResult("m/b", "error")])) == []
    assert canary.faults(report_of([good, CaseResult("m/b::TestZ", "pass")])) == ["canary_missing"]


GO = b"""package calc

import "testing"

func TestSmallSum(t *testing.T) {
\tif got := Add(1, 2); got != 3 {
\t\tt.Errorf("got %d, want 3", got)
\t}
}

func TestWrites(t *testing.T) {
\tos.WriteFile("x", nil, 0o600)
}
"""
RUST = b"""use calc::add;

#[test]
#[ignore]
fn test_later() {
    assert_eq!(add(1, 1), 2);
}

#[test]
fn test_small_sum() {
    assert_eq!(add(1, 2), 3);
}

#[test]
fn test_early() {
    if add(1, 1) == 2 {
        return;
    }
}
"""


@pytest.mark.parametrize("turn", range(4))
def test_go_and_rust_have_a_copy_that_does_what_its_test_does_and_then_fails(turn: int) -> None:
    go = make_canary("go", {"add_test.go": GO}, ("add_test.go",))
    ((name, path),) = go.with_file.items()
    body = go.files[path].decode().split(f"func {name}(t *testing.T) {{\n")[1].split("\n}\n")[0].split("\n")
    assert body[:3] == GO.decode().split("\n")[5:8] and re.fullmatch(r"\tif got, want := \d+, \d+; .*", body[3])
    rust = make_canary("cargo", {"tests/add.rs": RUST}, ())
    ((name, path),) = rust.with_file.items()
    body = rust.files[path].decode().split(f"#[test]\nfn {name}() {{\n")[1].split("\n}\n")[0].split("\n")
    assert body[0] == "    assert_eq!(add(1, 2), 3);" and re.fullmatch(r"    assert_eq!\(\d+, \d+\);", body[1])
    assert list(go.files) == ["add_test.go"] and list(rust.files) == ["tests/add.rs"]
    assert not go.plain and not rust.plain and set(rust.copies.values()) == {"test_small_sum"}


def test_where_no_body_may_be_run_twice_the_copy_fails_first_and_is_known_to_be_no_witness() -> None:
    writes = GO.replace(b"if got := Add(1, 2); got != 3 {", b'if err := os.Remove("x"); err != nil {')
    canary = make_canary("go", {"add_test.go": writes}, ("add_test.go",))
    assert canary.plain == frozenset(canary.names)
    table = make_canary("cargo", {"tests/add.rs": b"mod common;\n\n#[test] fn x() {}\n"}, ())
    assert table.plain == frozenset(table.names) == frozenset(table.with_file)


def test_a_program_that_broke_off_is_no_forgery_and_its_tests_are_not_believed() -> None:
    go = Canary({}, (), {"TestZ": "a/a_test.go"})
    cut = report_of([CaseResult("m/a::TestA", "pass"), CaseResult("m/a::TestB", "fail")])
    assert go.faults(cut) == ["cut_short"], "a panic ends the program"
    assert go.faults(report_of([CaseResult("m/b::TestC", "pass")])) == ["cut_short"], "it was not built"
    left = "\n".join(
        f'{{"Action":"pass","Package":"m/{p}"{t}}}' for p, t in (("b", ',"Test":"TestC"'), ("b", ""), ("a", ""))
    )
    assert go.faults(read_report("go", left.encode())) == ["canary_missing"], "it was left before a test began"
    node = Canary({}, (), {"hyphen stay value": "test/a.test.js"}, beside={"test/a.test.js": ("digits stay",)})
    forged = report_of([CaseResult("digits stay", "pass"), CaseResult("/repo/test/a.test.js", "fail")])
    assert node.faults(forged) == ["cut_short"], "a file that cannot be loaded has no test that passed"
