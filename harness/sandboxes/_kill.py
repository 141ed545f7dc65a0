"""Kill a command in a box with everything it started."""

from __future__ import annotations

import asyncio
import time

from docker.errors import APIError

from harness.sandboxes._engine import Engine

MARK = "BOX_COMMAND"
"""Environment variable that every process of one command has, unless it threw it away."""
SCRIPT_S = 5.0

SCRIPT = r"""
self=$$
victims() {
  marked=" $(grep -lsF "$1" /proc/[0-9]*/environ | tr -dc '0-9\n' | tr '\n' ' ')"
  found=""
  again=1
  while [ "$again" = 1 ]; do
    again=0
    for stat in /proc/[0-9]*/stat; do
      read -r line 2>/dev/null <"$stat" || continue
      pid=${line%% *}
      case "$found" in *" $pid "*) continue ;; esac
      set -- ${line##*) }
      [ "$pid" != 1 ] && [ "$pid" != "$self" ] && [ "$2" != "$self" ] && [ "$1" != Z ] || continue
      case "$marked$found" in
        *" $pid "* | *" $2 "* | *" $4 "*) found="$found $pid "; again=1 ;;
      esac
    done
  done
}
round=0
while [ $round -lt 20 ]; do
  victims "$1"
  [ -n "$found" ] || exit 0
  kill -STOP $found 2>/dev/null
  victims "$1"
  kill -KILL $found 2>/dev/null
  round=$((round + 1))
done
exit 1
"""
"""Victims: what has the mark, its descendants, and every member of a session one of them leads (a command is the
leader of its own). They are stopped before they are killed, so that none can start another meanwhile. Fields of
/proc/PID/stat after the name: 1 state, 2 parent, 3 group, 4 session."""


async def kill_tree(engine: Engine, container: str, exec_id: str, mark: str, user: str) -> None:
    """Kill one command's processes. When they resist (no process may be started any more), everything in the box.

    Files stay as they are; a restart empties `/scratch`. Raises SandboxError.
    """
    if await engine.call(_run_script, engine, container, mark, user):
        until = time.monotonic() + SCRIPT_S
        while time.monotonic() < until:
            state = await engine.call(engine.api.exec_inspect, exec_id)
            if not state["Running"]:
                return
            await asyncio.sleep(0.05)
    await restart(engine, container)


async def restart(engine: Engine, container: str) -> None:
    """Kill every process of a box; it goes on empty of processes. Raises SandboxError."""
    await engine.call(engine.api.restart, container, timeout=0)


def _run_script(engine: Engine, container: str, mark: str, user: str) -> bool:
    """Run the script as the command's user, who may signal what it started. Whether it found all of it dead."""
    made = engine.api.exec_create(container, ["/bin/sh", "-c", SCRIPT, "sh", f"{MARK}={mark}"], user=user)
    try:
        # Podman does not tell of a detached command that it ended: there its end is the end of what it prints.
        engine.api.exec_start(made["Id"], detach=not engine.is_podman)
    except APIError:  # no process can be started in there any more
        return False
    until = time.monotonic() + SCRIPT_S
    while time.monotonic() < until:
        state = engine.api.exec_inspect(made["Id"])
        if state["ExitCode"] is not None and not state["Running"]:
            return bool(state["ExitCode"] == 0)
        time.sleep(0.01)
    return False
