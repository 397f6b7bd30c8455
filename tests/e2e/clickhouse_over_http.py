"""The real engine behind the ClickHouse HTTP protocol, writable: a process of its own, so that the
`http://` store is tested over a socket without a ClickHouse installation. Its arguments are
DIR PORT PASSWORD. It knows one user, one statement a request, and data of an INSERT in the body."""

import base64
import hmac
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import chdb
import lz4.frame

# What travels beside the statement and is no setting of the engine.
TRANSPORT = {
    *("query", "database", "default_format", "session_id", "session_timeout", "query_id"),
    *("client_protocol_version", "enable_http_compression", "wait_end_of_query", "quota_key"),
    *("send_progress_in_http_headers", "http_headers_progress_interval_ms", "buffer_size"),
    *("compress", "decompress", "role", "session_check"),
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine_path = ""
    password = ""

    def do_GET(self) -> None:
        self.answer_request(b"")

    def do_POST(self) -> None:
        body = b"".join(self.read_chunks())
        if self.headers.get("Content-Encoding") == "lz4":
            body = lz4.frame.decompress(body)
        self.answer_request(body)

    def read_chunks(self) -> Iterator[bytes]:
        """The body, whether its length was given or it comes in chunks."""
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def allowed(self) -> bool:
        key = self.headers.get("X-ClickHouse-Key", "")
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            key = base64.b64decode(token).decode().partition(":")[2]
        return hmac.compare_digest(key, self.password)

    def answer_request(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/ping":
            return self.reply(200, b"Ok.\n")
        if not self.allowed():
            return self.reply(401, b"Code: 516. DB::Exception: Authentication failed")
        parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
        try:
            answer, fmt = self.run_statement(parameters, body)
        except RuntimeError as error:
            return self.reply(500, str(error).encode())
        return self.reply(200, answer, {"X-ClickHouse-Format": fmt})

    def run_statement(self, parameters: dict[str, str], body: bytes) -> tuple[bytes, str]:
        """Bytes of the answer and their format. Settings end with the request's own handle."""
        statement, data = parameters.get("query", ""), body
        if not statement:
            # clickhouse-connect writes the statement of a Native insert before its data.
            insert = re.match(rb"\s*INSERT\b[^\n]*?\bFORMAT\s+\w+\s*\n", body, re.IGNORECASE)
            end = insert.end() if insert else len(body)
            statement, data = body[:end].decode().strip(), body[end:]
        # The one user known here is the engine's only user, which has no password.
        statement = re.sub(r"\buser '[^']*' password '[^']*'", "", statement)
        fmt = parameters.get("default_format", "TabSeparated")
        named = re.search(r"\bFORMAT\s+(\w+)\s*;?\s*$", statement, re.IGNORECASE)
        handle = chdb.connect(self.engine_path)
        try:
            database = parameters.get("database")
            if database:
                handle.query(f"USE `{database}`")
            for name, value in parameters.items():
                if name not in TRANSPORT and not name.startswith("param_"):
                    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
                    handle.query(f"SET {name} = '{quoted}'")
            if re.match(r"\s*INSERT\b", statement, re.IGNORECASE) and data:
                return self.insert(handle, statement, data), fmt
            bound = {n[6:]: v for n, v in parameters.items() if n.startswith("param_")}
            result = handle.query(statement, named.group(1) if named else fmt, params=bound or None)
            return result.bytes() or b"", named.group(1) if named else fmt
        finally:
            handle.close()

    def insert(self, handle: "chdb.Connection", statement: str, data: bytes) -> bytes:
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            from_file = f" FROM INFILE '{file.name}' "
            head, keyword, tail = re.split(r"\b((?:SETTINGS\b.*)?FORMAT)\b", statement, maxsplit=1)
            handle.query(head + from_file + keyword + tail)
        return b""

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "X-ClickHouse-Timezone": "UTC"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Quiet: a test reads what the server under test prints, not this."""


if __name__ == "__main__":
    Handler.engine_path, port, Handler.password = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    # One handle stays open: the engine would close with the last one, and reopening takes seconds.
    keeper = chdb.connect(Handler.engine_path)
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    os.environ.pop("TZ", None)
    server.serve_forever()
