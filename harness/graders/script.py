"""`script`: a verifier of the task's own runs in a clean box that holds what was collected from the work's."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import msgspec
from pydantic import Field, PrivateAttr

from harness.api import (
    Box,
    Completed,
    Grade,
    Grader,
    GraderCase,
    Json,
    MissingRequirement,
    NotGraded,
    SandboxError,
    SandboxSpec,
    Task,
    Verdict,
    Work,
)
from harness.graders._apart import not_apart, set_apart
from harness.graders._channel import LISTENS_S, Heard, hear
from harness.graders._clean import nothing_done, read_files, tail_of
from harness.graders._place import Laid, lay_artifacts
from harness.graders._protected import Guard, limited
from harness.graders._runs import HOME_ENV, box_spec
from harness.graders._script_box import Stand, lay_verifier, placed, private_place, read_reward, written_reward
from harness.graders._verifier import (
    PerTask,
    Settled,
    Solution,
    Spoken,
    Trouble,
    goes_on,
    killed,
    rewritten,
    settle,
)
from harness.toolkit.normalise import excerpt
from harness.toolkit.said import last_words
from harness.toolkit.solution import apply_solution, is_solution

VERIFIER = "54321:54321"
"""A user that no image has: it reads the verifier, owns the reward, and has nothing of the work's."""
ROOT = "0:0"


class Script(Grader):
    """Exit code 0 of the verifier is a pass; a reward it writes is the value.

    The verifier's files and an empty place for the reward enter a clean box after the artifacts; the files are root's
    and read-only, the reward belongs to a user of the verifier's own. The box is stopped before the reward is read. A
    reward that was there before is removed and flagged; a verifier's file that was rewritten, or a reward beside a
    verifier that a signal ended, is `tampered`. A reward above 0 is heard: the verifier is run once more, in another
    clean box, and writes into a pipe, where nothing can be written over. More words than with the task's solution are
    `tampered`, and the word that was heard is what counts. Programs of the work that the verifier starts run as the
    verifier, and may still silence it or end it well: such a grade is weak, unless `as_work` makes them another user's.
    A verifier that cannot be run to its end, or writes no good reward, is a verdict about the work only if it passes
    the task's solution.
    """

    verifier: str | dict[str, str]
    """The verifier: a workspace folder or file, its text (of several lines), or texts by path."""
    command: tuple[str, ...] = ()
    """How it is started, with `{verifier}` for the folder of its files. Empty: `bash` with its only file, or with
    `test.sh` or `verify.sh` in it."""
    place: str = ""
    """The folder its files are laid in. Empty: one that nobody can know before."""
    artifacts: tuple[str, ...] | None = None
    """Names of the artifacts that are laid down. None: all that the task collects. What probes brought (processes,
    http, sql, command) is under `$PROBES`."""
    reward: str | tuple[str, ...] = ""
    """Files the verifier may write a reward to: a number, or a JSON number or object; the first that is there counts.
    Empty: the path in `$REWARD_FILE`."""
    reward_key: str = "reward"
    """The number of a JSON object that is the reward."""
    verdict: Literal["exit_code", "reward"] = "exit_code"
    """What decides: exit code 0, or a reward of at least `threshold` whatever the exit code."""
    threshold: float = Field(default=1.0, ge=0, le=1)
    """Smallest reward that passes; with `exit_code` both must hold."""
    protected: tuple[str, ...] = ()
    """Globs of files, from the root of the box, that the work's artifacts may not bring."""
    timeout_s: float = Field(default=600.0, gt=0, allow_inf_nan=False)
    """Seconds."""
    env: dict[str, str] = Field(default_factory=dict)
    """Environment variables of the verifier."""
    user: str = VERIFIER
    """Who runs it; `box` for the box's own user, `0` for root."""
    as_work: bool = False
    """Keep the verifier and the work apart: the verifier is root, the collected files are another user's, closed to it,
    and `as-work COMMAND ...` is how it reads them and runs their programs, in the work's folder."""
    workdir: str = ""
    """Where it starts. Empty: the box's working folder; with `as_work` a folder of its own."""

    version = "7"
    needs_box = True
    needs_reference = False
    example: ClassVar[Mapping[str, Json]] = {"verifier": 'set -e\ngrep -q "^total: 42$" report.txt\n'}
    cases = (
        GraderCase("", True, None, {"verifier": "true\nexit 0\n"}),
        GraderCase("", False, None, {"verifier": "true\nexit 1\n"}),
    )

    _gold: PerTask[Solved] = PrivateAttr(default_factory=PerTask)
    _gold_heard: PerTask[Spoken] = PrivateAttr(default_factory=PerTask)

    def check(self, workspace: Path) -> Sequence[str]:
        """A verifier that is absent, or whose start is not clear."""
        try:
            files = self._files(workspace)
            self._argv(files, "/x")
        except (ValueError, OSError) as e:
            return (str(e),)
        if self.as_work and self.user not in (VERIFIER, "0", ROOT):
            return ("`as_work` runs the verifier as root: leave `user` out",)
        return ()

    def check_task(self, task: Task) -> str:
        """A place of its own for what `as_work` keeps from the verifier."""
        said = [self.place, *([self.reward] if isinstance(self.reward, str) else self.reward)]
        return not_apart(task, [path for path in said if path]) if self.as_work else ""

    def digest_files(self) -> Sequence[str]:
        """The verifier's files."""
        return (self.verifier,) if isinstance(self.verifier, str) and "\n" not in self.verifier else ()

    def reads(self) -> Sequence[str]:
        """The artifacts that are named."""
        return self.artifacts or ()

    async def grade(self, work: Work) -> Verdict:
        """Run the verifier. Raises SandboxError."""
        if missing := nothing_done(work.output):
            return missing
        try:
            files = self._files(work.workspace)
        except (ValueError, OSError) as e:
            return NotGraded("bad_reference", str(e))
        async with work.open_box(self._spec(work.task)) as box:
            private = await private_place(box)
            laid = await self._lay(box, work, private)
            if laid.patch_error:
                return Grade(0.0, False, "patch_error", laid.patch_error, flags=limited(laid.flags))
            ended = await self._verify(box, work.task, private, files)
        flags = [*laid.flags, *ended.flags]
        said = None if self.as_work or ended.trouble else ended.reward
        if said is not None and self._judge(ended, flags).value > 0:
            settled = await self._settled(work, files, said, bool(ended.left))
            if settled.ungraded:
                return NotGraded("environment", settled.ungraded)
            ended.trouble, flags = settled.trouble, [*flags, *settled.flags]
            if settled.heard:
                ended.reward = settled.heard.value
        if ended.trouble is None:
            return self._judge(ended, flags)
        return await self._troubled(work, files, ended, flags)

    async def _lay(self, box: Box, work: Work, private: str) -> Laid:
        guard = Guard((*self.protected, *((self.place.strip("/") + "/**",) if self.place else ())))
        return await lay_artifacts(box, work, private, self.artifacts, guard)

    async def _settled(self, work: Work, files: Mapping[str, bytes], reward: float, left: bool) -> Settled:
        """What a reward in a file is worth, by what is heard of the same work in another box."""

        async def spoken() -> Spoken | None:
            if not is_solution(work.task.reference):
                return None
            return await self._gold_heard.get(work.task, lambda: self._spoken(work, files, solution=True))

        async def plain() -> tuple[str, bool] | None:
            gold = await self._solved(work, files)
            return None if gold is None else (gold.trouble, gold.left)

        heard = await self._spoken(work, files)
        return await settle(reward, left, heard, self.threshold, Solution(spoken, plain))

    async def _spoken(self, work: Work, files: Mapping[str, bytes], *, solution: bool = False) -> Spoken:
        """What the verifier says of the work, or of the solution, through pipes in a clean box."""
        async with work.open_box(self._spec(work.task, LISTENS_S)) as box:
            private = await private_place(box)
            try:
                wrong = await apply_solution(work.task.reference, work.task, box) if solution else ""
            except MissingRequirement as e:
                wrong = str(e)
            if wrong:
                return Spoken(0, None, trouble=Trouble("environment", wrong))
            if not solution:
                await self._lay(box, work, private)
            stand = await self._stand(box, work.task, private, files)
            heard = await hear(box, stand.rewards, lambda: self._run(box, private, stand, files), stand.files)
            await box.stop()
            changed = await rewritten(box, stand.files)
        return self._word(heard, stand.rewards, changed)

    def _word(self, heard: Heard, rewards: Sequence[str], changed: Trouble | None) -> Spoken:
        """The last word of the first reward that was written."""
        try:
            last = next((word for path in rewards if (word := heard.last(path))), None)
            value = None if last is None else read_reward(last, self.reward_key)
        except ValueError:
            value = None
        trouble = heard.doubt(self.timeout_s) or changed
        return Spoken(heard.count, value, trouble=trouble, moved=heard.moved, flags=heard.flags)

    async def _verify(self, box: Box, task: Task, private: str, files: Mapping[str, bytes]) -> Ended:
        """Lay the verifier down, run it, and read its reward and its own files from the stopped box."""
        stand = await self._stand(box, task, private, files)
        done = await self._run(box, private, stand, files)
        left = await goes_on(box)
        await box.stop()
        ended = Ended(done, [*stand.flags, *left], bool(left))
        if ended.limit:
            return ended
        ended.trouble = await rewritten(box, stand.files)
        try:
            ended.reward = await written_reward(box, stand.rewards, self.reward_key)
        except (ValueError, SandboxError) as e:
            if isinstance(e, SandboxError) and e.fault not in ("path", "too_big"):
                raise
            ended.trouble = ended.trouble or Trouble("bad_reward", str(e))
        ended.trouble = ended.trouble or self._doubt(ended)
        return ended

    async def _stand(self, box: Box, task: Task, private: str, files: Mapping[str, bytes]) -> Stand:
        """Lay down the verifier and the empty places of its rewards, last of all."""
        place, rewards = self.place.rstrip("/") or f"{private}/verifier", self._rewards(private)
        apart = await set_apart(box, task, private) if self.as_work else None
        flags = await lay_verifier(box, ROOT if apart else self.user, place, files, rewards)
        ours = placed(place, files)
        if apart is None:
            return Stand(place, rewards, ours, flags)
        return Stand(place, rewards, {**ours, **apart.files}, flags, {"WORK": apart.folder, "PATH": apart.path})

    async def _run(self, box: Box, private: str, stand: Stand, files: Mapping[str, bytes]) -> Completed:
        home = posixpath.join(posixpath.dirname(stand.rewards[0]), "home")
        env = {"REWARD_FILE": stand.rewards[0], "PROBES": f"{private}/probes", "HOME": home, **HOME_ENV, **self.env}
        user, workdir = "" if self.user == "box" else self.user, self.workdir
        if self.as_work:
            env, user, workdir = {"TMPDIR": home, **stand.env, **env}, ROOT, workdir or home
        argv = self._argv(files, stand.place)
        return await box.exec(argv, timeout_s=self.timeout_s, env=env, user=user, workdir=workdir)

    def _doubt(self, ended: Ended) -> Trouble | None:
        """Why a run that came to its end says nothing of the work, if so."""
        code = ended.done.exit_code
        if code in (126, 127):
            return Trouble("environment", "the verifier could not be started or run to its end")
        if ended.reward is not None:
            return killed(ended.done)
        if self.verdict == "reward":
            return Trouble("bad_reward", f"the verifier wrote no reward; exit code {code}")
        return None

    async def _troubled(self, work: Work, files: Mapping[str, bytes], ended: Ended, flags: list[str]) -> Verdict:
        """A run that says nothing is held against the work only if the verifier passes the task's own solution."""
        trouble = ended.trouble
        assert trouble is not None
        why = f"{trouble.detail}: {words}" if (words := last_words(ended.tail)) else trouble.detail
        gold = await self._solved(work, files)
        if gold is not None and gold.trouble:
            said = f"{why}; on the solution: {gold.trouble}"
            return NotGraded("environment" if trouble.forged else trouble.cause, said)
        if gold is None and not trouble.forged:
            return NotGraded(trouble.cause, f"{why}; there is no solution to tell whose fault it is")
        label = trouble.cause if trouble.forged else "failed"
        parts: dict[str, Json] = {"exit_code": ended.done.exit_code}
        told = limited([f"{trouble.cause}: {trouble.detail}", *flags])
        return Grade(0.0, False, label, why, weak=not self.as_work, flags=told, parts=parts)

    async def _solved(self, work: Work, files: Mapping[str, bytes]) -> Solved | None:
        """What the verifier says of the task's own solution, once per task; None without one."""
        if not is_solution(work.task.reference):
            return None
        return await self._gold.get(work.task, lambda: self._on_solution(work, files))

    async def _on_solution(self, work: Work, files: Mapping[str, bytes]) -> Solved:
        async with work.open_box(self._spec(work.task)) as box:
            try:
                if wrong := await apply_solution(work.task.reference, work.task, box):
                    return Solved(wrong)
            except MissingRequirement as e:
                return Solved(str(e))
            ended = await self._verify(box, work.task, await private_place(box), files)
        if ended.trouble is not None:
            return Solved(ended.trouble.detail)
        grade = self._judge(ended, [])
        return Solved("" if grade.passed else grade.explanation, ended.left)

    def _spec(self, task: Task, more_s: float = 0.0) -> SandboxSpec:
        spec = box_spec(task.sandbox or SandboxSpec(), self.timeout_s + more_s)
        return msgspec.structs.replace(spec, switch_user=self.as_work)

    def _rewards(self, private: str) -> list[str]:
        said = [self.reward] if isinstance(self.reward, str) else list(self.reward)
        return [path for path in said if path] or [f"{private}/reward/value"]

    def _files(self, workspace: Path) -> dict[str, bytes]:
        """The verifier's files by path. Raises ValueError."""
        if isinstance(self.verifier, dict):
            bad = [path for path in self.verifier if path.startswith("/") or ".." in path.split("/")]
            if bad or not self.verifier:
                raise ValueError(f"`verifier`: {bad[0]} is not a path of its own folder" if bad else "no verifier")
            return {path: text.encode() for path, text in self.verifier.items()}
        if "\n" in self.verifier:
            return {"verify.sh": self.verifier.encode()}
        return read_files(workspace, self.verifier)

    def _argv(self, files: Mapping[str, bytes], place: str) -> list[str]:
        """The verifier's command. Raises ValueError when it is not clear."""
        if self.command:
            return [word.replace("{verifier}", place) for word in self.command]
        start = next((name for name in ("test.sh", "verify.sh") if name in files), "")
        start = start or (next(iter(files)) if len(files) == 1 else "")
        if not start:
            raise ValueError("`verifier` has several files and no test.sh or verify.sh: say `command`")
        return ["python3" if start.endswith(".py") else "bash", f"{place}/{start}"]

    def _judge(self, ended: Ended, flags: list[str]) -> Grade:
        """The grade of a run that can be taken at its word; weak where programs of the work may be the verifier's."""
        done, reward = ended.done, ended.reward
        if ended.limit:
            used = f"the box's {ended.limit.removeprefix('out_of_')} was used up"
            why = f"the verifier did not end within {self.timeout_s:g} s" if done.timed_out else used
            label = "timeout" if done.timed_out else "failed"
            return Grade(0.0, False, label, why, flags=limited([ended.limit, *flags]))
        enough = reward is None or reward >= self.threshold - 1e-12
        passed = enough and (self.verdict == "reward" or done.exit_code == 0)
        value = float(passed) if reward is None or enough != passed else reward
        why = f"exit code {done.exit_code}" + ("" if reward is None else f", reward {reward:g}")
        label = "passed" if passed else "partial" if value > 0 else "failed"
        told = f"{why}: {excerpt(last_words(ended.tail, 400), 400)}" if ended.tail and not passed else why
        parts: dict[str, Json] = {"exit_code": done.exit_code, **({} if reward is None else {"reward": reward})}
        return Grade(value, passed, label, told, weak=not self.as_work, flags=limited(flags), parts=parts)


@dataclass(frozen=True, slots=True)
class Solved:
    """The verifier's run on the solution: what it has against it, and whether processes were left."""

    trouble: str
    left: bool = False


@dataclass(slots=True)
class Ended:
    """A verifier's run: its reward if it wrote one, and why it says nothing, if so. `left`: processes go on."""

    done: Completed
    flags: list[str]
    left: bool = False
    reward: float | None = None
    trouble: Trouble | None = None

    @property
    def limit(self) -> str:
        """The limit that ended it: timeout, out_of_memory, out_of_disk."""
        done = self.done
        return "timeout" if done.timed_out else _USED_UP.get((done.oom_killed, done.disk_full), "")

    @property
    def tail(self) -> str:
        """The end of what it said."""
        return tail_of(self.done.stdout, self.done.stderr)


_USED_UP = {(True, False): "out_of_memory", (True, True): "out_of_memory", (False, True): "out_of_disk"}
