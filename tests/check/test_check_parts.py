"""The parts of QA that read and judge: diffs, image streams, leaks, repositories, over-specified tests."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from check_lab import GOLD, HIDDEN
from hypothesis import given
from hypothesis import strategies as st

from harness.qa.diffs import read_diff
from harness.qa.findings import Finding, verdict_of
from harness.qa.history import history_checked
from harness.qa.image import Image, Needles, read_image
from harness.qa.lab import Shake
from harness.qa.leaks import leaks_found
from harness.qa.material import Material, telling
from harness.qa.overspecified import overspecified
from harness.qa.proof import base_checked, flaky_tests, shaken_checked
from harness.qa.words import words_checked
from harness.records.outcome import Grade, NotGraded
from harness.records.task import SandboxSpec, Task
from harness.testing.cheats import CHEATS, cheats_for, own_test

LINES = ("the_first_line_of_the_answer = 1", "the_second_line_of_the_answer = 2", "the_third_line_of_an_answer = 3")
MATERIAL = Material(root="/work/repo", fail_to_pass=("tests/test_a.py::test_of_the_sum[1]",))


def test_a_diff_is_read_by_file_with_signs_that_look_like_headers() -> None:
    text = GOLD + "diff --git a/gone.txt b/gone.txt\n--- a/gone.txt\n+++ /dev/null\n@@ -1,2 +0,0 @@\n--- a rule\n-x\n"
    core, gone = read_diff(text)
    assert core.path == "calc/core.py" and core.removed == ["    result = 0", "    return result"]
    assert [line.split()[0] for line in core.added] == ["amounts_in_cents", "sum_of_all_cents", "return"]
    assert (gone.path, gone.removed, gone.added) == ("gone.txt", ["-- a rule", "x"], [])


@given(st.text())
def test_reading_a_diff_never_raises(text: str) -> None:
    read_diff(text)
    read_diff("--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n" + text)


@given(st.lists(st.text(max_size=60)))
def test_lines_worth_looking_for_are_long_and_unique(lines: list[str]) -> None:
    kept = telling(lines)
    assert len(set(kept)) == len(kept) and all(len(line) >= 20 and line == line.strip() for line in kept)


def test_imports_are_everybodys_lines() -> None:
    lines = ["from pathlib import Path, PurePath", "import collections.abc, dataclasses", 'if __name__ == "__main__":']
    assert telling([*lines, "imported_things = [1, 2, 3]"]) == ("imported_things = [1, 2, 3]",)


def stream(files: dict[str, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    out.seek(0)
    return out


def zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("inner.py", data)
    return out.getvalue()


def told(files: dict[str, str | bytes], tmp_path: Path, answer: tuple[str, ...] = LINES) -> list[Finding]:
    raw = {name: data.encode() if isinstance(data, str) else data for name, data in files.items()}
    needles = Needles(answer, (), MATERIAL.names)
    return list(leaks_found(read_image(stream(raw), needles, tmp_path), needles, MATERIAL))


ANSWER = "\n".join(LINES)


def tarred(data: bytes) -> bytes:
    return stream({"a/b.whl": data}).read()


RAW = ANSWER.encode()
PACKED: dict[str, bytes] = {
    "text": RAW, "wheel": zipped(RAW), "gzip": gzip.compress(RAW), "xz": lzma.compress(RAW),
    "bzip2": bz2.compress(RAW),
    "a wheel in pip's older cache": b"cc=4,\x85\xa4body" + zipped(RAW) + b"\xa7headers",
    "a wheel in a tar": gzip.compress(tarred(zipped(RAW))), "xz in a plain tar": tarred(lzma.compress(RAW)),
    "a package of Debian": b"!<arch>\ndebian-binary   0 0 0 100644 4 `\n2.0\n" + b"data.tar.xz/".ljust(58) + b"`\n"
    + lzma.compress(tarred(RAW)),
}  # fmt: skip


@pytest.mark.parametrize("data", PACKED.values(), ids=list(PACKED))
def test_an_answer_in_a_cache_is_a_leak_however_it_is_packed(data: bytes, tmp_path: Path) -> None:
    (leak,) = told({"root/.cache/x": data}, tmp_path)
    assert (leak.level, leak.where) == ("fail", "/root/.cache/x") and "3 of 3" in leak.what


def test_lines_of_the_tree_are_no_secret_and_a_single_rare_line_is_a_warning(tmp_path: Path) -> None:
    files = {"work/repo/a.py": LINES[0], "usr/lib/a.py": LINES[0], "usr/lib/b.py": LINES[1], "usr/lib/c.py": "x"}
    (one,) = told(files, tmp_path)
    assert (one.level, one.where) == ("warn", "/usr/lib/b.py")


def test_a_copy_of_the_answer_in_the_tree_itself_is_a_leak(tmp_path: Path) -> None:
    (leak,) = told({"work/repo/solution.patch": ANSWER, "work/repo/a.py": "x"}, tmp_path)
    assert (leak.level, leak.where) == ("fail", "/work/repo/solution.patch")


def test_a_line_that_everybody_writes_is_no_leak(tmp_path: Path) -> None:
    assert told({f"usr/lib/{i}.py": LINES[0] for i in range(9)}, tmp_path) == []


def test_programs_in_machine_code_and_engine_folders_are_not_searched(tmp_path: Path) -> None:
    assert told({"usr/bin/x": b"\x7fELF" + ANSWER.encode(), "proc/1/environ": ANSWER}, tmp_path) == []


def test_hidden_names_in_the_image_are_told(tmp_path: Path) -> None:
    (named,) = told({"opt/notes": "test_of_the_sum"}, tmp_path)
    assert (named.check, named.level, named.where) == ("names", "warn", "/opt/notes")


def git(folder: Path, *args: str) -> str:
    words = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *args]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git(tmp_path, "init", "-q", "-b", "main", "repo")
    (folder / "a").write_text("a\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "base")
    return folder


def history(folder: Path, tmp_path: Path) -> list[Finding]:
    files = {f"work/repo/{p.relative_to(folder).as_posix()}": p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    image = read_image(stream(files), Needles(), tmp_path / "spool")
    return [f for r in image.repositories.values() for f in history_checked(r, other=False)]


def test_one_fresh_commit_has_no_finding(tmp_path: Path) -> None:
    assert history(repository(tmp_path), tmp_path) == []


def later(folder: Path) -> str:
    (folder / "a").write_text("the future\n")
    git(folder, "commit", "-qam", "later")
    sha = git(folder, "rev-parse", "HEAD")
    git(folder, "reset", "-q", "--hard", "HEAD~1")
    return sha


@pytest.mark.parametrize("packs", [False, True], ids=["loose", "packed"])
def test_objects_that_only_a_reflog_knows_are_found(tmp_path: Path, packs: bool) -> None:
    folder = repository(tmp_path)
    sha = later(folder)
    if packs:
        git(folder, "-c", "gc.reflogExpire=never", "-c", "gc.reflogExpireUnreachable=never", "gc", "-q")
    findings = history(folder, tmp_path)
    assert any(f"commit {sha[:12]}" in f.what and f.level == "fail" for f in findings), findings
    assert any("reflog" in f.what for f in findings)


def test_an_unreachable_object_without_any_log_is_found(tmp_path: Path) -> None:
    folder = repository(tmp_path)
    later(folder)
    for log in (folder / ".git/logs").rglob("*"):
        if log.is_file():
            log.unlink()
    (folder / ".git/ORIG_HEAD").unlink(missing_ok=True)
    assert ["3 objects are not reachable" in f.what for f in history(folder, tmp_path)] == [True]


def test_refs_remotes_alternates_and_leftovers_are_found(tmp_path: Path) -> None:
    folder = repository(tmp_path)
    git(folder, "branch", "ahead", later(folder))
    git(folder, "remote", "add", "up", "/nowhere")
    git(folder, "pack-refs", "--all")
    (folder / ".git/objects/info").mkdir(exist_ok=True)
    (folder / ".git/objects/info/alternates").write_text("/elsewhere\n")
    (folder / ".git/FETCH_HEAD").write_text(f"{'1' * 40}\t\tbranch x\n")
    whole = "\n".join(f.what for f in history(folder, tmp_path) if f.level == "fail")
    for words in ("refs/heads/ahead", "remotes: up", "alternates", "FETCH_HEAD", "ORIG_HEAD"):
        assert words in whole, whole


def test_a_hook_or_configuration_of_the_image_is_never_run(tmp_path: Path) -> None:
    folder = repository(tmp_path)
    later(folder)
    mark = tmp_path / "pwned"
    git(folder, "config", "core.fsmonitor", f"touch {mark}")
    git(folder, "config", "core.hooksPath", str(tmp_path / "hooks"))
    git(folder, "config", "uploadpack.packObjectsHook", f"touch {mark}")
    assert history(folder, tmp_path) and not mark.exists()


def over(hidden: str, prompt: str, gold: str, path: str = "tests/test_x.py") -> list[str]:
    material = Material(gold=tuple(read_diff(gold)), hidden={path: hidden})
    return [f.what for f in overspecified(material, prompt, {})]


NEW = """--- a/m.py
+++ b/m.py
@@ -1,2 +1,4 @@
 def old_name(x):
-    return x
+    raise ValueError("the window must be closed")
+def brand_new(limit_of_all):
+    return limit_of_all
"""


def test_names_and_messages_only_gold_has_are_told_by_tree() -> None:
    test = (
        "import pytest\nfrom m import brand_new, old_name\n\n\ndef test_it():\n"
        "    with pytest.raises(ValueError, match='must be closed'):\n        old_name(brand_new(limit_of_all=1))\n"
    )
    names, message = over(test, "Mend old_name.", NEW)
    assert "brand_new, limit_of_all" in names and "old_name" not in names and "must be closed" in message
    assert over(test, "Add brand_new(limit_of_all); the error says 'the window must be closed'.", NEW) == []


def test_other_languages_are_read_by_patterns() -> None:
    gold = "--- a/m.js\n+++ b/m.js\n@@ -1 +1,2 @@\n const a = 1;\n+export function sumOfAll(xs) { return 0; }\n"
    assert "sumOfAll" in over("expect(sumOfAll([1])).toBe(1)", "Sum it.", gold, "a.test.js")[0]
    assert over("expect(sumOfAll([1])).toBe(1)", "Write sumOfAll.", gold, "a.test.js") == []


def test_base_and_gold_flakes_are_counted_apart_and_a_rescued_test_is_a_flake() -> None:
    def run(failed: dict[str, str], *flags: str) -> Grade:
        part = {"passed": 2 - len(failed), "of": 2, "failed": dict(failed)}
        return Grade(0.0, False, parts={"fail_to_pass": {"passed": 0, "of": 0}, "pass_to_pass": part}, flags=flags)  # type: ignore[dict-item]

    bad, good = run({"a": "fail"}), run({})
    flaky = flaky_tests([good, run({}, "rerun_passed: b")], [bad, good, bad])
    assert [(f.test, f.on, f.satisfied, f.of) for f in flaky] == [("b", "gold", 1, 2), ("a", "base", 1, 3)]
    assert {f.check for f in base_checked([bad, good], flaky)} == {"flaky"}
    assert [f.what for f in base_checked([bad, bad], [])] == ["1 pass-to-pass tests fail before any work: a"]


def test_what_depends_on_seed_or_order_is_told_and_a_flake_is_not_told_twice() -> None:
    def run(*failed: str) -> Grade:
        part = {"passed": 2 - len(failed), "of": 2, "failed": dict.fromkeys(failed, "fail")}
        return Grade(0.0, False, parts={"fail_to_pass": {"passed": 0, "of": 0}, "pass_to_pass": part})  # type: ignore[dict-item]

    seed, turned = Shake(hash_seed=1), Shake(backwards=True)
    [gold] = shaken_checked("gold", seed, [run()], run("a"))
    assert (gold.level, gold.where) == ("fail", "a") and "fails on the right patch under hash seed 1" in gold.what
    [base] = shaken_checked("base", turned, [run("a")], run())
    assert (base.level, base.where) == ("warn", "a") and "passes on the code as given with the last" in base.what
    assert [f.level for f in shaken_checked("gold", turned, [run()], run("b"))] == ["warn"]
    assert list(shaken_checked("gold", seed, [run()], run())) == []
    assert list(shaken_checked("base", seed, [run(), run("a")], run("a"))) == []
    [unknown] = shaken_checked("gold", turned, [run()], NotGraded("environment", "no shuffle"))
    assert unknown.level == "info" and "environment" in unknown.what


def word_task(**more: object) -> Task:
    return Task(**{"id": "t", "prompt": "Mend it.", "sandbox": SandboxSpec(), **more})  # type: ignore[arg-type]


def test_words_of_a_task_are_checked() -> None:
    material = Material(
        answer=LINES,
        hidden={"t.py": HIDDEN},
        listed=True,
        fail_to_pass=tuple(f"t.py::test_number_{i}" for i in range(51)),
    )
    leaking = word_task(prompt=f"Write test_number_7:\n{LINES[0]}\n{HIDDEN}")
    levels = {(f.check, f.level) for f in words_checked(leaking, material)}
    assert levels == {("leak", "fail"), ("leak", "warn"), ("lists", "warn")}
    assert [f.check for f in words_checked(word_task(), Material())] == ["statement"]
    told = word_task(sandbox=SandboxSpec(env={"OK": "1", "HINT": f"try {LINES[0]}"}))
    assert [f.where for f in words_checked(told, material) if f.check == "leak" and f.level == "fail"] == ["HINT"]
    odd = word_task(sandbox=None, choices=("red", "Red ", "blue"), reference="green")
    assert [f.what.split(":")[0] for f in words_checked(odd, Material())] == [
        "the reference is none of the choices", "two choices are the same",
    ]  # fmt: skip


def test_a_failure_decides_and_doubt_beats_a_warning() -> None:
    def finding(level: str) -> Finding:
        return Finding("x", level, "y")  # type: ignore[arg-type]

    assert verdict_of([]) == "ok" and verdict_of([finding("info")]) == "ok"
    assert verdict_of([finding("warn"), finding("unchecked")]) == "unchecked"
    assert verdict_of([finding("unchecked"), finding("fail")]) == "fail"


def test_cheats_fit_their_runner_and_are_valid_python() -> None:
    for cheat in CHEATS:
        if "pytest" in cheat.runners or "unittest" in cheat.runners:
            for text in (cheat.append, *(t for p, t in cheat.files.items() if p.endswith(".py"))):
                compile(text, cheat.name, "exec")
    assert len(cheats_for("pytest", with_source=True)) >= 12
    assert all(not c.append for c in cheats_for("pytest", with_source=False))
    assert {c.name for c in cheats_for("", with_source=False)} < {c.name for c in cheats_for("go", with_source=True)}
    compile(own_test("pytest", ["test_a", "not a name"], "tests/test_a.py"), "t", "exec")
    assert own_test("go", ["TestSum"], "calc/sum_test.go").startswith("package calc\n")


def test_an_image_that_breaks_off_is_an_error_and_no_clean_bill(tmp_path: Path) -> None:
    whole = stream({"a": b"x" * 100_000}).getvalue()
    with pytest.raises(tarfile.TarError):
        read_image(io.BytesIO(whole[:50_000]), Needles(LINES), tmp_path)
    assert isinstance(read_image(io.BytesIO(whole), Needles(LINES), tmp_path), Image)
