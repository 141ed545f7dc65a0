"""`swebench`: rows of SWE-bench (Full, Lite, Verified, Multilingual), SWE-bench-Live and SWE-bench Pro as tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec
from pydantic import Field

from harness.api import Json, Row, TaskSource, UsageFault
from harness.errors import Place
from harness.sources._swe_rows import Missing, RowFault, Said, variant_of
from harness.sources._swe_variants import classic, live, pro
from harness.sources.rows import Rows

Variant = Literal["auto", "swebench", "live", "pro"]
OFFICIAL_LIMIT_S = {"swebench": 1800.0, "live": 9000.0, "pro": 3600.0}


class SweBench(TaskSource):
    """Every row is a whole task: issue, image, the patch that is collected, the grader `swebench`, the gold patch.

    The repository is worked on in the row's own image, from which all history after the base commit is taken. The
    grader runs the row's tests in the untouched image and decides by the benchmark's own rules. A row that names no
    image, no test command or no log parser known here is skipped, with the reason.
    """

    version: ClassVar[str] = "2"
    example: ClassVar[Mapping[str, Json]] = {"path": "swe.jsonl"}
    example_files: ClassVar[Mapping[str, str]] = {
        "swe.jsonl": '{"instance_id": "o__r-1", "repo": "o/r", "base_commit": "abc", "image": "o/r:1", "version": "1", '
        '"problem_statement": "It breaks.", "patch": "", "test_patch": "", "eval_script": "true", "log_parser": '
        '"parse_log_pytest", "FAIL_TO_PASS": "[\\"t.py::a\\"]", "PASS_TO_PASS": "[]"}\n'
    }

    path: str | None = None
    """A .jsonl, .json, .csv or .parquet file, or the folder of a local data set."""
    hub: str | None = None
    """A data set on the Hugging Face hub, `org/name`; needs `revision` and `split`."""
    revision: str | None = None
    """The commit of the hub data set, all 40 hexadecimal digits."""
    config: str | None = None
    """The data set's configuration, where it has several."""
    split: str | None = None
    """The split, such as `test`."""
    variant: Variant = "auto"
    """Whose rows these are; `auto` sees it by the fields each row has."""
    image: str = ""
    """The image of rows that name none, or of all: a text with `{instance_id}` (`__` already replaced by `_1776_`,
    small letters), `{repo}` or `{image}` in it."""
    test_command: str = ""
    """How rows without an `eval_script` are tested: a shell command, with `{test_files}` in it."""
    scripts: str = ""
    """SWE-bench Pro: the folder with `INSTANCE_ID/run_script.sh` and `parser.py`, from the workspace."""
    ids: tuple[str, ...] = ()
    """Only these instances, in the order of the rows; empty takes all. An id that is not there is a fault."""
    timeout_s: float | None = Field(default=None, gt=0)
    """The longest the tests may take, in seconds. If absent the official limit: 1800, for Live 9000, for Pro 3600."""
    tests_network: Literal["none", "open"] = "none"
    """`open` gives tests and builds the network that these benchmarks give them; the work has it then too."""

    def check(self, workspace: Path) -> Sequence[str]:
        """Whether what is named is there."""
        faults = []
        if self.scripts and not (workspace / self.scripts).is_dir():
            faults.append(f"no such folder: {self.scripts}")
        if self.path is not None and self.path.endswith(".json"):
            return [*faults, *([] if (workspace / self.path).is_file() else [f"no such file: {self.path}"])]
        try:
            return [*faults, *self._inner().check(workspace)]
        except ValueError as e:
            return [*faults, *(error["msg"].removeprefix("Value error, ") for error in getattr(e, "errors", list)())]

    def digest_files(self) -> Sequence[str]:
        """The scripts of SWE-bench Pro; rows have digests of their own."""
        return (self.scripts,) if self.scripts else ()

    def rows(self, workspace: Path) -> Iterable[Row]:
        """Every row as a task. Raises UsageFault at the first that is not a row of such a data set."""
        return self._tasks(workspace)

    def _tasks(self, workspace: Path) -> Iterator[Row]:
        wanted = set(self.ids)
        for row in self._raw(workspace):
            said = Said(row.values)
            try:
                if not self.ids or said.text("instance_id") in self.ids:
                    wanted.discard(said.text("instance_id"))
                    yield Row(self._task(said, workspace), row.place)
            except RowFault as e:
                place, _, line = row.place.rpartition(":")
                raise UsageFault(str(e), place=Place(place, int(line), 1) if line.isdigit() else None) from e
        if wanted:
            raise UsageFault(f"no row has the instance_id {', '.join(sorted(wanted))}")

    def _task(self, said: Said, workspace: Path) -> dict[str, Json]:
        variant = variant_of(said) if self.variant == "auto" else self.variant
        missing = Missing()
        match variant:
            case "pro":
                parts = pro(said, missing, workspace, self.scripts)
            case "live":
                parts = live(said, missing)
            case _:
                parts = classic(said, missing, self.test_command)
        image = self._image(said, parts.image)
        if not image:
            missing.add("the row names no image: say `image:` with {instance_id} in it")
        id = said.text("instance_id")
        limit = self.timeout_s or OFFICIAL_LIMIT_S[variant]
        grader: dict[str, Json] = {"use": "swebench", "repo": parts.folder, "timeout_s": limit, **parts.grader}
        if self.tests_network != "none":
            grader["network"] = self.tests_network
        row: dict[str, Json] = {
            "id": id,
            "family": said.text("repo").replace("/", "__"),
            "prompt": parts.prompt,
            "sandbox": {**({"image": image} if image else {}), "setup": [without_history(parts.folder)],
                        "workdir": parts.folder},
            "collect": {"patch": {"patch": parts.folder}},
            "graders": [grader],
            "reference": {"patch": said.text("patch")},
            "meta": {"swebench": {"variant": variant, **said.kept()}},
        }  # fmt: skip
        if missing.reasons:
            del row["graders"]
            row["skip"] = str(missing)
        return row

    def _image(self, said: Said, own: str) -> str:
        if not self.image:
            return own
        plain = said.text("instance_id").replace("__", "_1776_").lower()
        words = {"instance_id": plain, "repo": said.text("repo").replace("/", "__").lower(), "image": own}
        try:
            return self.image.format_map(words)
        except (KeyError, ValueError, IndexError) as e:
            raise RowFault(f"`image` may have {{instance_id}}, {{repo}} and {{image}} in it: {e}") from e

    def _raw(self, workspace: Path) -> Iterable[Row]:
        if self.path is None or not self.path.endswith(".json"):
            return self._inner().rows(workspace)
        try:
            found = msgspec.json.decode((workspace / self.path).read_bytes())
        except (OSError, msgspec.DecodeError) as e:
            raise UsageFault(f"cannot read {self.path}: {e}", place=Place(self.path)) from e
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            raise UsageFault("a JSON file of rows is a list of objects", place=Place(self.path))
        return (Row(values, f"{self.path}:{i}") for i, values in enumerate(found, start=1))

    def _inner(self) -> Rows:
        said: dict[str, Any] = {
            n: getattr(self, n) for n in ("path", "hub", "revision", "config", "split") if getattr(self, n) is not None
        }
        return Rows.model_validate(said)


def without_history(folder: str) -> str:
    """A command that takes from a repository all that its checked-out commit does not reach (reference: swe.md 4.2).

    Remotes, branches, tags, stashes, reflogs and every object that only they held go; the commit and its past stay.
    """
    git = f"git -c safe.directory='*' -C {folder}"
    return (
        f"if [ -e {folder}/.git ]; then set -e; {git} checkout -q --detach; "
        f'{git} remote | while read -r r; do {git} remote remove "$r"; done; '
        f"{git} for-each-ref --format='%(refname)' | while read -r r; do {git} update-ref -d \"$r\"; done; "
        f"rm -f {folder}/.git/ORIG_HEAD {folder}/.git/FETCH_HEAD {folder}/.git/MERGE_HEAD; "
        f"{git} reflog expire --expire=now --expire-unreachable=now --all; rm -rf {folder}/.git/logs; "
        f"{git} -c gc.reflogExpire=now -c gc.reflogExpireUnreachable=now gc -q --prune=now; fi"
    )
