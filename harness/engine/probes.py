"""Probes: what is asked of the box and its services from outside, by the engine or from a clean container.

Each gives a JSON artifact. That nothing answered is an answer too (`{"error": ...}`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

import msgspec

from harness.plugins.contracts import Box, Completed
from harness.records.content import Json
from harness.records.task import Collect, SandboxSpec

CleanBox = Callable[[SandboxSpec | None], AbstractAsyncContextManager[Box]]
"""Opens a clean box: of the task's image, or of another spec."""

PROBE_S = 60.0
DEFAULT_IMAGE = SandboxSpec().image
LOOPBACK = ("localhost", "127.0.0.1", "::1")
BOX = "box"
NULL = "\\N"

HTTP = """
import base64, json, sys, urllib.error, urllib.request
class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *words): return None
said = json.load(sys.stdin)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Stay())
body = said["body"].encode() if said["body"] else None
try:
    asked = urllib.request.Request(said["url"], data=body, headers=said["headers"], method=said["method"])
    try: answer = opener.open(asked, timeout=said["timeout"])
    except urllib.error.HTTPError as e: answer = e
    data = answer.read(said["most"] + 1)
    out = {"status": answer.status, "headers": {k.lower(): v for k, v in answer.headers.items()}}
    if len(data) > said["most"]: out, data = {**out, "truncated": True}, data[:said["most"]]
    try: out["body"] = data.decode()
    except UnicodeDecodeError: out["body"], out["body_base64"] = None, base64.b64encode(data).decode()
except Exception as e:
    out = {"error": f"{type(e).__name__}: {e}"}
json.dump(out, sys.stdout)
"""
"""Runs in the clean container. Redirects are not followed: where they lead is the work's choice."""

SQLITE = """
import json, sqlite3, sys
said = json.load(sys.stdin)
try:
    db = sqlite3.connect(said["path"])
    found = db.execute(said["query"])
    columns = [c[0] for c in found.description or ()]
    rows = [[v.hex() if isinstance(v, bytes) else v for v in row] for row in found.fetchall()]
    out = {"columns": columns, "rows": rows}
except sqlite3.Error as e:
    out = {"error": str(e)}
json.dump(out, sys.stdout)
"""


def is_alive(one: Collect) -> bool:
    """Whether something must still run for this to be taken."""
    return one.what in ("processes", "http", "command") or (one.what == "sql" and not _is_sqlite(one))


async def probe(box: Box, one: Collect, spec: SandboxSpec, clean: CleanBox) -> bytes:
    """The answer as JSON. Raises FileNotFoundError for a database file that is not there, SandboxError."""
    match one.what:
        case "processes":
            found: Json = list(await box.processes())
        case "http":
            found = await _http(box, one, spec)
        case "sql":
            found = await (_sqlite(box, one, clean) if _is_sqlite(one) else _sql(box, one, spec))
        case _:
            found = await _command(box, one)
    return msgspec.json.encode(found)


async def _http(box: Box, one: Collect, spec: SandboxSpec) -> Json:
    url, inside = _reached(str(one.options["url"]), spec)
    asked = {
        "url": url,
        "method": one.options.get("method", "GET"),
        "headers": one.options.get("headers", {}),
        "body": one.options.get("body", ""),
        "timeout": PROBE_S / 2,
        "most": one.max_bytes // 2,
    }
    done = await box.beside(
        ["python3", "-I", "-c", HTTP], image=_image(one), timeout_s=PROBE_S, stdin=_json(asked), inside=inside
    )
    return _parsed(done)


async def _command(box: Box, one: Collect) -> Json:
    argv = [str(word) for word in one.options["argv"]]
    done = await box.beside(argv, image=_image(one), timeout_s=PROBE_S)
    return {
        "exit_code": done.exit_code,
        "stdout": done.stdout.decode("utf-8", "replace"),
        "stderr": done.stderr.decode("utf-8", "replace"),
        "timed_out": done.timed_out,
    }


async def _sqlite(box: Box, one: Collect, clean: CleanBox) -> Json:
    """The file and its journals are read from the stopped box and asked in a clean one."""
    path = unquote(urlsplit(str(one.options["url"])).path)
    async with clean(SandboxSpec()) as desk:
        for ending in ("", "-wal", "-journal"):
            try:
                data = await box.read(path + ending)
            except FileNotFoundError:
                if not ending:
                    raise
                continue
            await desk.write(f"/tmp/probe/db{ending}", data)
        asked = {"path": "/tmp/probe/db", "query": one.options["query"]}
        return _parsed(await desk.exec(["python3", "-I", "-c", SQLITE], stdin=_json(asked), timeout_s=PROBE_S))


async def _sql(box: Box, one: Collect, spec: SandboxSpec) -> Json:
    """The client of the database's own image asks, from a clean container of it."""
    url, inside = _reached(str(one.options["url"]), spec)
    parts = urlsplit(url)
    kind = parts.scheme.partition("+")[0]
    images = {service.name: f"service:{service.name}" for service in spec.services}
    image = str(one.options.get("image") or images.get(parts.hostname or "", DEFAULT_IMAGE))
    if kind in ("postgresql", "postgres"):
        argv, delimiter = _psql(parts, str(one.options["query"])), ","
    elif kind in ("mysql", "mariadb"):
        argv, delimiter = _mysql(parts, str(one.options["query"])), "\t"
    else:
        return {"error": f"no client for '{kind}': sqlite, postgresql, mysql"}
    done = await box.beside(argv, image=image, timeout_s=PROBE_S, inside=inside)
    if done.exit_code or done.timed_out:
        return {"error": "timed out" if done.timed_out else done.stderr.decode("utf-8", "replace").strip()}
    columns, *rows = list(_rows(done.stdout, delimiter)) or [[]]
    return {"columns": columns, "rows": [[None if value == NULL else value for value in row] for row in rows]}


def _psql(parts: SplitResult, query: str) -> list[str]:
    url = urlunsplit(parts._replace(scheme="postgresql"))
    return ["psql", "-X", "-q", "--csv", "-v", "ON_ERROR_STOP=1", "-P", f"null={NULL}", "-d", url, "-c", query]


def _mysql(parts: SplitResult, query: str) -> list[str]:
    client = 'if command -v mysql >/dev/null; then exec mysql "$@"; fi; exec mariadb "$@"'
    words = [f"--host={parts.hostname}", f"--port={parts.port or 3306}", "--protocol=tcp", "--batch"]
    words += [f"--user={unquote(parts.username or 'root')}", f"--password={unquote(parts.password or '')}"]
    return ["sh", "-c", client, "sh", *words, "-e", query, unquote(parts.path.lstrip("/"))]


def _rows(stdout: bytes, delimiter: str) -> Sequence[list[str]]:
    text = stdout.decode("utf-8", "replace")
    if delimiter == "\t":  # mysql escapes tabs and line ends; NULL is the word
        lines = text.removesuffix("\n").split("\n") if text else []  # only these: a value may hold other line ends
        return [[NULL if v == "NULL" else v for v in line.split("\t")] for line in lines]
    return list(csv.reader(io.StringIO(text, newline="")))


def _reached(url: str, spec: SandboxSpec) -> tuple[str, bool]:
    """The URL as the probe must say it, and whether it asks from inside the box's network namespace.

    `box` is the box itself. A service is always asked by the engine's own names, never by those the work may have
    written into the box.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    inside = host in LOOPBACK or (host == BOX and spec.network == "none")
    if host == BOX and inside:
        login, at, _ = parts.netloc.rpartition("@")
        port = f":{parts.port}" if parts.port else ""
        url = urlunsplit(parts._replace(netloc=f"{login}{at}127.0.0.1{port}"))
    return url, inside


def _is_sqlite(one: Collect) -> bool:
    return str(one.options.get("url", "")).startswith("sqlite:")


def _image(one: Collect) -> str:
    return str(one.options.get("image") or DEFAULT_IMAGE)


def _json(said: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(said)


def _parsed(done: Completed) -> Json:
    if done.timed_out:
        return {"error": "timed out"}
    try:
        return msgspec.json.decode(done.stdout)
    except msgspec.DecodeError:
        said = done.stderr.decode("utf-8", "replace").strip()[-1000:]
        return {"error": f"the probe ended with {done.exit_code}: {said}"}
