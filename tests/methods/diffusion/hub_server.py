"""A local model hub: the part of the interface that a download needs, and a list of all files served."""

from __future__ import annotations

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit


class HubServer:
    """Serves one repository; ``commits`` gives the folder of each commit, ``branches`` their names."""

    def __init__(self, repository: str, commits: dict[str, Path], branches: dict[str, str]) -> None:
        self.repository = repository
        self.commits = commits
        self.branches = branches
        self.gated = False
        self.handed_out: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> HubServer:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a path: information on a repository, its tree, or a file."""
        segments = [unquote(part) for part in urlsplit(path).path.strip("/").split("/")]
        if segments[:2] == ["api", "models"]:
            name, rest = "/".join(segments[2:4]), segments[4:]
        else:
            name, rest = "/".join(segments[:2]), segments[2:]
        if name != self.repository:
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        if self.gated:
            return 403, {"X-Error-Code": "GatedRepo"}, b""
        revision = rest[1] if len(rest) > 1 else "main"
        commit = self.branches.get(revision, revision)
        if commit not in self.commits:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        folder = self.commits[commit]
        if rest[:1] == ["resolve"]:
            return self._file(commit, folder / "/".join(rest[2:]))
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        names = [str(file.relative_to(folder)) for file in files]
        if rest[:1] == ["tree"]:
            sizes = [file.stat().st_size for file in files]
            tree = [{"type": "file", "path": n, "size": s, "oid": n} for n, s in zip(names, sizes, strict=True)]
            return _json(tree)
        return _json({"id": name, "sha": commit, "siblings": [{"rfilename": name} for name in names]})

    def _file(self, commit: str, file: Path) -> tuple[int, dict[str, str], bytes]:
        if not file.is_file():
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, b""
        body = file.read_bytes()
        return 200, {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(body).hexdigest()}"'}, body


def _json(data: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(data).encode()


def _handler(server: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._send(with_body=False)

        def do_GET(self) -> None:
            self._send(with_body=True)

        def _send(self, with_body: bool) -> None:
            status, headers, body = server.answer(self.path)
            if with_body and "/resolve/" in self.path and status == 200:
                server.handed_out.append(self.path.split("/resolve/")[1].partition("/")[2])
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler
