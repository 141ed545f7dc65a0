"""What `as_work` promises of a box, in boxes of images that differ."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from harness.api import Completed, Json, Purpose, SandboxSpec, Task
from harness.graders._apart import Apart, is_system, not_apart, set_apart
from harness.graders._clean import archive_of
from harness.graders._script_box import private_place
from harness.graders.script import Script
from harness.records.task import Collect
from harness.sandboxes.docker import Docker

FROM = "FROM harness-base:bookworm\n"
AGENT = "RUN useradd --uid 1000 --user-group --create-home agent && chmod 700 /home/agent\nUSER agent\n"
FOLDER = "RUN mkdir /work\nWORKDIR /work\n"
IMAGES = {
    "root": FROM + FOLDER,
    "a user's": FROM + AGENT + "RUN mkdir /home/agent/app\nWORKDIR /home/agent/app\n",
    "python only": FROM + "RUN rm /usr/bin/setpriv\n" + FOLDER,
    "perl only": FROM + "RUN rm /usr/bin/setpriv /usr/bin/python3*\n" + FOLDER,
}
OWN_IMAGES = ("-c mkdir /work", "mkdir /home/agent/app", "/opt/link", "/shut")
TASK = Task(id="t", prompt="p", collect=(Collect("left", "tree", "{folder}"), Collect("one", "file", "/srv/one.txt")))


def looked(tmp_path: Path, dockerfile: str, folder: str, scripts: list[str]) -> tuple[Apart, list[Completed]]:
    """What these scripts came to, run as a verifier is, after the work was set apart."""
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "Dockerfile").write_text(dockerfile)
    spec = SandboxSpec(dockerfile="image", memory=256 * 1024**2, switch_user=True)
    collect = tuple(msgspec.structs.replace(c, path=c.path.replace("{folder}", folder)) for c in TASK.collect)
    task = msgspec.structs.replace(TASK, collect=collect)

    async def whole() -> tuple[Apart, list[Completed]]:
        docker = Docker()
        try:
            async with docker.open(spec, Purpose("apart", "t", tmp_path)) as box:
                private = await private_place(box)
                await box.put_archive("/", archive_of({f"{folder}/app.sh".lstrip("/"): b"id -u; id -g; id -G\n",
                                                       "srv/one.txt": b"one\n"}, owner=(1000, 1000)))  # fmt: skip
                apart = await set_apart(box, task, private)
                env = {"PATH": apart.path, "WORK": apart.folder, "REWARD_FILE": "/r"}
                done = [await box.exec(["bash", "-c", s], user="0:0", workdir="/", env=env) for s in scripts]
                return apart, done
        finally:
            await docker.aclose()

    return asyncio.run(whole())


@pytest.mark.docker
@pytest.mark.parametrize("image", IMAGES)
def test_the_works_programs_are_another_users_and_its_files_closed_to_the_verifier(tmp_path: Path, image: str) -> None:
    folder = "/home/agent/app" if image == "a user's" else "/work"
    scripts = [
        "exec 3</etc/shadow 11</etc/shadow; as-work sh app.sh; as-work sh -c 'pwd; echo ${REWARD_FILE-unset} $HOME'",
        "as-work sh -c 'grep Cap /proc/self/status; ls /proc/self/fd; : > new && echo wrote; : > $HOME/x && echo home'",
        'cat "$WORK/app.sh"; sh "$WORK/app.sh"; cat /srv/one.txt; cd "$WORK"',
        "as-work cat app.sh /srv/one.txt",
        "as-work sh -c 'exit 7'; echo $?; as-work no-such-program; echo $?; as-work; echo $?; echo in | as-work cat",
        "as-work sleep 60 & sleep 0.3; kill $!; wait $!; echo $?",
        "as-work sh -c 'kill -9 $PPID; kill -9 -1'; echo alive",
    ]
    apart, done = looked(tmp_path, IMAGES[image], folder, scripts)
    ids, rights, closed, read, codes, ended, alive = done
    home = ids.stdout.split()[-1].decode()
    assert ids.stdout.decode().split() == ["54322", "54322", "54322", folder, "unset", home], ids
    assert home.startswith("/grade-") and apart.folder == folder
    caps = [line.split()[1] for line in rights.stdout.decode().splitlines() if line.startswith(("CapEff", "CapPrm"))]
    assert caps == ["0" * 16] * 2 and rights.stdout.split()[-2:] == [b"wrote", b"home"], rights
    if image == "python only":  # the only one that can close all
        assert b"11" not in rights.stdout.split(), rights
    assert closed.stdout == b"" and closed.stderr.count(b"ermission denied") == 4, closed
    assert read.stdout == b"id -u; id -g; id -G\none\n", read
    assert codes.stdout.decode().split("\n")[:3] == ["7", "127", "2"] and codes.stdout.endswith(b"in\n"), codes
    assert b"no-such-program" in codes.stderr and b"as-work: say a command" in codes.stderr
    assert ended.stdout == b"143\n", ended
    assert alive.stdout == b"alive\n", alive


@pytest.mark.docker
def test_the_verifiers_programs_are_found_where_the_work_can_put_none(tmp_path: Path) -> None:
    """Folders that are the work's, below one that is, behind a link into one, not there yet, or relative."""
    image = (
        FROM + "RUN mkdir -p /work/bin /opt/tools /opt/all && chmod 777 /opt/all && ln -s /work/bin /opt/link && "
        "useradd --uid 1000 agent && mkdir -p /home/agent/bin && chown -R agent /home/agent\n"
        "ENV PATH=/work/bin:/work/later:bin:/opt/link:/opt/all:/opt/tools:/home/agent/bin:/usr/bin:/bin\n"
        "WORKDIR /work\n"
    )
    plant = (
        "as-work sh -c 'mkdir -p later; for d in bin later /opt/all /opt/tools /home/agent/bin; do "
        'for p in grep setpriv cat; do printf "#!/bin/sh\\ntouch /tmp/$p-by-$(id -u)\\n" > $d/$p; chmod +x $d/$p; '
        "done; done' 2>/dev/null; grep -c . /etc/hostname; as-work true; cat /etc/hostname; ls /tmp; "
        "as-work cat x; ls /tmp"
    )
    apart, (done,) = looked(tmp_path, image, "/work", [plant])
    assert apart.path.partition(":")[2] == "/opt/tools:/home/agent/bin:/usr/bin:/bin"
    assert done.stdout.decode().split() == ["1", "box", "cat-by-54322"], done


@pytest.mark.docker
def test_an_image_that_cannot_change_users_says_so(tmp_path: Path) -> None:
    image = FROM + "RUN rm /usr/bin/setpriv /usr/bin/python3* /usr/bin/perl*\n" + FOLDER
    _, (done,) = looked(tmp_path, image, "/work", ["as-work true"])
    assert (done.exit_code, done.stderr) == (126, b"as-work: the image has none of setpriv, python3 and perl\n")


@pytest.mark.parametrize(
    ("path", "system"),
    [("/", True), ("/usr", True), ("/usr/local", True), ("/usr/local/bin/x", True), ("/etc/app", True),
     ("/usr/src/app", False), ("/work", False), ("/libs", False)],
)  # fmt: skip
def test_places_of_the_system(path: str, system: bool) -> None:
    assert is_system(path) == system
    task = msgspec.structs.replace(TASK, collect=(Collect("left", "tree", path + "/"),))
    assert bool(not_apart(task)) == system
    assert Script(verifier="true\n").check_task(task) == ""
    assert bool(Script(verifier="true\n", as_work=True).check_task(task)) == system


def test_changes_of_the_system_cannot_be_kept_apart_and_the_verifier_is_root(tmp_path: Path) -> None:
    def said(*roots: str) -> str:
        options: dict[str, Json] = {"roots": list(roots)} if roots else {}
        collect = (Collect("up", "processes"), Collect("all", "changes", options=options))
        return not_apart(msgspec.structs.replace(TASK, collect=collect))

    assert "`as_work` cannot close /, where the verifier's own programs are" in said()
    assert "`as_work` cannot close /usr/bin/, where" in said("/work", "/usr/bin/")
    assert said("/work", "/home/agent") == ""
    task = msgspec.structs.replace(TASK, collect=(Collect("left", "tree", "/work/"),))
    for inside in ({"place": "/work/tests"}, {"reward": ["/reward", "/work/out/reward"]}, {"place": "/work"}):
        grader = Script.model_validate({"verifier": "true\n", "as_work": True, **inside})
        assert "of the verifier lies in it: put it elsewhere" in grader.check_task(task)
    assert Script(verifier="true\n", as_work=True, place="/workshop", reward="/r").check_task(task) == ""
    assert Script(verifier="true\n", as_work=True, user="box").check(tmp_path) == (
        "`as_work` runs the verifier as root: leave `user` out",
    )
    assert Script(verifier="true\n", as_work=True, user="0").check(tmp_path) == ()
