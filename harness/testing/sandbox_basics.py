"""Checks of ordinary work in a box: commands, their output and end, files. Each says what is wrong, or nothing."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Awaitable, Callable

from harness.errors import SandboxError
from harness.plugins.contracts import Box, Completed

BYTES = bytes(range(256)) * 64


async def sh(box: Box, script: str, timeout_s: float = 30) -> Completed:
    """Run a shell script."""
    return await box.exec(["sh", "-c", script], timeout_s=timeout_s)


def differs(what: str, found: object, wanted: object) -> str:
    """Nothing, or what differs."""
    return "" if found == wanted else f"{what} is {found!r}, not {wanted!r}"


async def _exit_code(box: Box) -> str:
    for code in (0, 1, 3, 255):
        if why := differs("the exit code", (await sh(box, f"exit {code}")).exit_code, code):
            return why
    return ""


async def _killed_code(box: Box) -> str:
    done = await sh(box, "kill -9 $$")
    return differs("the exit code of a killed command", (done.exit_code, done.timed_out), (137, False))


async def _not_found(box: Box) -> str:
    done = await box.exec(["no-such-program"])
    return differs("the exit code of an unknown program", (done.exit_code, done.stdout), (127, b""))


async def _streams(box: Box) -> str:
    done = await sh(box, "echo out; echo err >&2")
    return differs("(stdout, stderr)", (done.stdout, done.stderr), (b"out\n", b"err\n"))


async def _words(box: Box) -> str:
    words = ["a b", "$HOME", "*", "'", '"', "\\", "", "line\nbreak"]
    done = await box.exec(["printf", "%s|", *words])
    return differs("what a program is given", done.stdout, "".join(f"{w}|" for w in words).encode())


async def _unicode(box: Box) -> str:
    text = "žluťoučký 漢字 🙂"
    done = await box.exec(["printf", "%s", text])
    return differs("unicode", done.stdout.decode("utf-8", "replace"), text)


async def _binary(box: Box) -> str:
    done = await box.exec(["cat"], stdin=BYTES)
    return "" if done.stdout == BYTES else f"16 KiB of all bytes came back as {len(done.stdout)} others"


async def _big_stdin(box: Box) -> str:
    done = await box.exec(["wc", "-c"], stdin=b"x" * 3_000_000)
    return differs("the length of 3 MB of stdin", done.stdout.strip(), b"3000000")


async def _stdin_ignored(box: Box) -> str:
    done = await box.exec(["true"], stdin=b"x" * 3_000_000)
    return differs("the exit code of a program that reads nothing", done.exit_code, 0)


async def _no_stdin(box: Box) -> str:
    done = await box.exec(["cat"], timeout_s=10)
    return differs("(exit code, output) of cat without stdin", (done.exit_code, done.stdout), (0, b""))


async def _env(box: Box) -> str:
    done = await box.exec(["sh", "-c", 'printf %s "$WORD"'], env={"WORD": "a=b c"})
    after = await sh(box, 'printf %s "$WORD"')
    return differs("WORD", done.stdout, b"a=b c") or differs("WORD afterwards", after.stdout, b"")


async def _workdir(box: Box) -> str:
    done = await box.exec(["pwd"], workdir="/tmp")
    return differs("the folder", done.stdout.strip(), b"/tmp")


async def _user(box: Box) -> str:
    done = await box.exec(["id", "-u"], user="root")
    return differs("the uid of root", done.stdout.strip(), b"0")


async def _unprivileged(box: Box) -> str:
    uid = (await box.exec(["id", "-u"])).stdout.strip()
    return "" if uid.isdigit() and uid != b"0" else f"the uid is {uid!r} in the default image"


async def _on_output(box: Box) -> str:
    pieces: list[tuple[float, bytes]] = []
    began = time.monotonic()

    def take(data: bytes) -> None:
        pieces.append((time.monotonic() - began, data))

    await box.exec(["sh", "-c", "echo one; sleep 0.7; echo two"], on_output=take)
    if b"".join(data for _, data in pieces) != b"one\ntwo\n":
        return f"on_output was given {pieces!r}"
    return "" if pieces[-1][0] - pieces[0][0] > 0.4 else "output came at the end, not as it was written"


async def _capped(box: Box) -> str:
    done = await sh(box, "echo begin; head -c 5000000 /dev/zero | tr '\\0' x; echo; echo end")
    if not done.truncated or len(done.stdout) > 70_000:
        return f"5 MB of output: truncated is {done.truncated}, {len(done.stdout):,} bytes kept of 65,536"
    whole = done.stdout.startswith(b"begin\n") and done.stdout.endswith(b"\nend\n")
    return "" if whole else "the beginning and the end of long output are not kept"


async def _uncapped(box: Box) -> str:
    done = await sh(box, "head -c 60000 /dev/zero; head -c 5000 /dev/zero >&2")
    found = (len(done.stdout), len(done.stderr), done.truncated)
    return differs("(stdout, stderr, truncated) under the cap", found, (60000, 5000, False))


async def _background(box: Box) -> str:
    began = time.monotonic()
    done = await sh(box, "sleep 20 & echo started", timeout_s=15)
    took = time.monotonic() - began
    await sh(box, "pkill sleep || kill $(grep -ls '^sleep' /proc/[0-9]*/comm | tr -dc '0-9\\n') || true")
    if done.timed_out or took > 10:
        return f"a command with a background process took {took:.1f} s"
    return differs("its output", done.stdout, b"started\n")


async def _closed_output(box: Box) -> str:
    done = await sh(box, "exec >/dev/null 2>&1; sleep 0.5; exit 7")
    return differs("the exit code of a command that closed its output", done.exit_code, 7)


async def _concurrent(box: Box) -> str:
    import asyncio

    began = time.monotonic()
    done = await asyncio.gather(*(sh(box, f"sleep 1; echo {i}") for i in range(4)))
    took = time.monotonic() - began
    outputs = [d.stdout for d in done]
    return differs("outputs", outputs, [b"0\n", b"1\n", b"2\n", b"3\n"]) or ("" if took < 3.5 else f"took {took:.1f} s")


async def _file_round(box: Box) -> str:
    await box.write("deep/er/file.bin", BYTES)
    done = await sh(box, "cat deep/er/file.bin | wc -c; test -O deep/er/file.bin && test -w deep/er && echo mine")
    same = await box.read("deep/er/file.bin") == BYTES
    return ("" if same else "the bytes read are not those written") or differs(
        "size and owner", done.stdout.split(), [b"16384", b"mine"]
    )


async def _replaced(box: Box) -> str:
    await box.write("twice.txt", b"a longer text")
    await box.write("twice.txt", b"short")
    return differs("a file written twice", await box.read("twice.txt"), b"short")


async def _mode(box: Box) -> str:
    await box.write("run.sh", b"#!/bin/sh\necho ran\n", mode=0o755)
    await box.write("/tmp/plain.txt", b"")
    done = await sh(box, "./run.sh; stat -c %a run.sh /tmp/plain.txt")
    return differs("an executable and modes", done.stdout.split(), [b"ran", b"755", b"644"])


async def _keeps_folder(box: Box) -> str:
    await sh(box, "mkdir -m 711 kept")
    await box.write("kept/file", b"")
    done = await sh(box, "stat -c %a kept")
    return differs("the mode of a folder written into", done.stdout.strip(), b"711")


async def _missing(box: Box) -> str:
    for path in ("nowhere.txt", "/no/such/folder/x"):
        try:
            await box.read(path)
        except FileNotFoundError:
            continue
        return f"reading {path} gives something"
    return ""


async def _only_files(box: Box) -> str:
    await sh(box, "ln -sf /etc/passwd link; mkfifo pipe; mkdir -p folder")
    for path in ("link", "pipe", "folder"):
        try:
            await box.read(path)
        except SandboxError:
            continue
        return f"a {path} was read as a file"
    return ""


async def _replaces_link(box: Box) -> str:
    await sh(box, "echo old > target; ln -sf target alias")
    await box.write("alias", b"new")
    return differs("the target of a link written over", await box.read("target"), b"old\n")


async def _too_big(box: Box) -> str:
    await sh(box, "head -c 300000 /dev/zero > big")
    for read in (box.read, box.get_archive):
        try:
            await read("big", max_bytes=100_000)
        except SandboxError:
            continue
        return "300 kB were read with max_bytes of 100 kB"
    return ""


async def _archive(box: Box) -> str:
    await sh(box, "mkdir -p tree/sub; echo 1 > tree/one; echo 2 > tree/sub/two; ln -s one tree/link")
    with tarfile.open(fileobj=io.BytesIO(await box.get_archive("tree"))) as tar:
        found = {m.name.rstrip("/"): m.type for m in tar}
    wanted = {
        "tree": tarfile.DIRTYPE, "tree/sub": tarfile.DIRTYPE, "tree/one": tarfile.REGTYPE,
        "tree/sub/two": tarfile.REGTYPE, "tree/link": tarfile.SYMTYPE,
    }  # fmt: skip
    return differs("the archive", found, wanted)


async def _archive_missing(box: Box) -> str:
    for call in (box.get_archive("absent"), box.put_archive("absent", b"")):
        try:
            await call
        except FileNotFoundError:
            continue
        return "an archive of a folder that is not there gives something"
    return ""


async def _archive_round(box: Box) -> str:
    await sh(box, "mkdir -p from/a into; echo x > from/a/b")
    await box.put_archive("into", await box.get_archive("from"))
    return differs("a file moved by archive", await box.read("into/from/a/b"), b"x\n")


async def _reaps(box: Box) -> str:
    done = await sh(box, "for i in 1 2 3; do sh -c '(sleep 0.1 &) '; done; sleep 0.6; cat /proc/[0-9]*/status")
    found = (b"State:" in done.stdout, b"zombie" in done.stdout)
    return differs("whether there are processes, and zombies", found, (True, False))


async def _tells_of_orphans(box: Box) -> str:
    """What graders read in process 1's `stat` of programs that outlived their parents: its children's page faults."""
    faults = "set -- $(sed 's/.*) //' /proc/1/stat); echo $9\n"
    done = await sh(box, f"{faults}sh -c 'sh -c true'\n{faults}sh -c '(sleep 0.1 &) '; sleep 0.6\n{faults}")
    before, without, after = (int(word) for word in done.stdout.split())
    return differs(
        "whether it rose without an orphan, and with one", (without > before, after > without), (False, True)
    )


CHECKS: dict[str, Callable[[Box], Awaitable[str]]] = {
    "exit codes are the command's": _exit_code,
    "a killed command says so": _killed_code,
    "an unknown program is 127": _not_found,
    "stdout and stderr are apart": _streams,
    "words reach a program as they are": _words,
    "unicode passes": _unicode,
    "binary passes both ways": _binary,
    "much stdin passes": _big_stdin,
    "stdin nobody reads does no harm": _stdin_ignored,
    "without stdin a program sees its end": _no_stdin,
    "env is set for one command": _env,
    "workdir is respected": _workdir,
    "user is respected": _user,
    "commands are not root's by default": _unprivileged,
    "output streams as it is written": _on_output,
    "long output is capped and marked": _capped,
    "output under the cap is whole": _uncapped,
    "a background process does not hold a command": _background,
    "a command without output is waited for": _closed_output,
    "commands run side by side": _concurrent,
    "files are written and read, with folders, as the user's": _file_round,
    "a file is replaced": _replaced,
    "modes are respected": _mode,
    "a folder written into keeps its mode": _keeps_folder,
    "a missing file is FileNotFoundError": _missing,
    "only regular files are read": _only_files,
    "writing replaces a link": _replaces_link,
    "reading is capped": _too_big,
    "a folder is an archive": _archive,
    "a missing archive is FileNotFoundError": _archive_missing,
    "an archive is laid down": _archive_round,
    "orphans are reaped": _reaps,
    "process 1 tells of orphans that ended": _tells_of_orphans,
}
"""Run in one box, one after the other."""
