"""A package registry as npm speaks it, on loopback, with small packages: for installing without a network."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from harness.toolkit.agent_layers import this_platform

ARCH = this_platform().removeprefix("linux-")
TRIPLE = {"x64": "x86_64", "arm64": "aarch64"}[ARCH]
CODEX = f"vendor/{TRIPLE}-unknown-linux-musl"


class Registry:
    """`packages[name][version]` is a tarball; what is in `spoilt` is served other than it is said to be."""

    def __init__(self) -> None:
        self.packages: dict[str, dict[str, bytes]] = {}
        self.spoilt: set[str] = set()
        self.url = ""

    def add(self, name: str, version: str, files: dict[str, tuple[bytes, int]]) -> None:
        files = {"package.json": (json.dumps({"name": name, "version": version}).encode(), 0o644), **files}
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as tar:
            for path, (data, mode) in files.items():
                member = tarfile.TarInfo(f"package/{path}")
                member.size, member.mode = len(data), mode
                tar.addfile(member, io.BytesIO(data))
        self.packages.setdefault(name, {})[version] = out.getvalue()

    def document(self, name: str) -> dict[str, Any]:
        versions = {}
        for version, data in self.packages[name].items():
            told = data + b"x" if f"{name}@{version}" in self.spoilt else data
            sri = "sha512-" + base64.b64encode(hashlib.sha512(told).digest()).decode()
            dist = {"tarball": f"{self.url}/-/{name}/{version}.tgz", "integrity": sri}
            versions[version] = {"name": name, "version": version, "dist": dist}
        last = list(versions)[-1]
        return {"name": name, "dist-tags": {"latest": last}, "versions": versions}


@contextmanager
def serving(registry: Registry) -> Iterator[Registry]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = unquote(self.path).split("?")[0]
            if path.startswith("/-/"):
                name, _, last = path.removeprefix("/-/").rpartition("/")
                self._send(200, registry.packages[name][last.removesuffix(".tgz")])
            elif path.strip("/") in registry.packages:
                self._send(200, json.dumps(registry.document(path.strip("/"))).encode())
            else:
                self._send(404, b"{}")

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    registry.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
