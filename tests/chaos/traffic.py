"""What chaos sends: requests whose spans, tokens and verdicts are known, and a client that resends.

The client behaves as an OTLP exporter does: 200 ends a request, 429 and 503 are tried again, and
what got no answer is sent again, byte for byte.
"""

from __future__ import annotations

import gzip
import http.client
import json
import random
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass
from urllib.parse import urlsplit

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_bodies import put

PROTOBUF, JSON = "application/x-protobuf", "application/json"
HOUR_NS = 3_600 * 10**9
_PATIENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it is sent, and the truth about it."""

    number: int
    body: bytes
    headers: dict[str, str]
    span_ids: frozenset[str]
    input_tokens: int
    verdicts: int


def build_requests(dice: random.Random, count: int, project: str) -> list[Request]:
    """Requests of one to twelve chat spans, spread over the last days, in every encoding."""
    return [_build_request(dice, number, project) for number in range(count)]


def _build_request(dice: random.Random, number: int, project: str) -> Request:
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    put_text(resource.resource, "service.name", "chaos")
    spans = resource.scope_spans.add().spans
    hours_ago = dice.choice((0, 0, 0, 2, 5, 30, 100))
    start_ns = time.time_ns() - hours_ago * HOUR_NS - 10**9
    trace_id, tokens, verdicts = dice.randbytes(16), 0, 0
    for place in range(dice.randint(1, 12)):
        span = spans.add(trace_id=trace_id, span_id=dice.randbytes(8), name="chat")
        span.start_time_unix_nano = start_ns + place
        span.end_time_unix_nano = start_ns + place + 10**8
        used = dice.randrange(1, 5000)
        tokens += used
        text = [{"role": "user", "parts": [{"type": "text", "content": f"{seeded(dice)}"}]}]
        put(span, "gen_ai.operation.name", "chat")
        put(span, "gen_ai.provider.name", "openai")
        put(span, "gen_ai.request.model", "gpt-4o-mini")
        put(span, "gen_ai.response.id", dice.randbytes(9).hex())
        put(span, "gen_ai.usage.input_tokens", used)
        put(span, "gen_ai.usage.output_tokens", 7)
        put(span, "gen_ai.input.messages", json.dumps(text))
        if dice.random() < 0.3:
            verdicts += 1
            event = span.events.add(name="watchpost.guard.verdict")
            event.time_unix_nano = start_ns
            put_text(event, "watchpost.guard.name", "length")
    ids = frozenset(span.span_id.hex() for span in spans)
    body, headers = _encode(dice, message)
    headers["x-watchpost-project"] = project
    return Request(number, body, headers, ids, tokens, verdicts)


def put_text(owner: object, key: str, value: str) -> None:
    """Add a text attribute to anything that has attributes."""
    put(owner, key, value)


def seeded(dice: random.Random) -> str:
    """A text nobody wrote before."""
    return dice.randbytes(dice.randrange(20, 400)).hex()


def _encode(
    dice: random.Random, message: ExportTraceServiceRequest
) -> tuple[bytes, dict[str, str]]:
    kind = dice.choice(("plain", "gzip", "json"))
    if kind == "json":
        return _to_json(message), {"content-type": JSON}
    body = message.SerializeToString()
    if kind == "gzip":
        return gzip.compress(body), {"content-type": PROTOBUF, "content-encoding": "gzip"}
    return body, {"content-type": PROTOBUF}


def _to_json(message: ExportTraceServiceRequest) -> bytes:
    document = MessageToDict(message)
    spans = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    for plain, span in zip(spans, message.resource_spans[0].scope_spans[0].spans, strict=True):
        plain["traceId"], plain["spanId"] = span.trace_id.hex(), span.span_id.hex()
    return json.dumps(document).encode()


class Exporter:
    """Sends requests until told to stop; remembers what was acknowledged and what may have been."""

    def __init__(self, requests: list[Request]) -> None:
        self.waiting = deque(requests)
        self.acknowledged: dict[int, Request] = {}
        self.unanswered: dict[int, Request] = {}
        self.wrong: list[str] = []
        self.resent = self.refused = 0
        self._lock = threading.Lock()

    def send_for(self, url: str, seconds: float, pause_s: float) -> None:
        """Send until the time is over, the requests are, or the server is gone."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and self.waiting:
            request = self.waiting.popleft()
            status = post(url, request.body, request.headers)
            if status == http.client.OK:
                self._acknowledge(request)
            elif status in (429, 503):
                self.refused += 1
                self.waiting.append(request)
            elif status is None:
                self.unanswered[request.number] = request
                self.waiting.append(request)
                return
            else:
                self.wrong.append(f"request {request.number} was answered {status}")
            time.sleep(pause_s)

    def resend(self, url: str, request: Request) -> None:
        """Send again what was acknowledged, as a client does that lost the answer."""
        status = post(url, request.body, request.headers)
        self.resent += 1
        if status not in (200, 429, 503, None):
            self.wrong.append(f"the resent request {request.number} was answered {status}")

    def _acknowledge(self, request: Request) -> None:
        self.acknowledged[request.number] = request
        self.unanswered.pop(request.number, None)


def post(url: str, body: bytes, headers: dict[str, str]) -> int | None:
    """The status of the answer, None when there was none."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE_S)
    try:
        connection.request("POST", "/v1/traces", body, headers)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return answer.status


def send_cut(url: str, request: Request, dice: random.Random) -> int | None:
    """Send a body that ends too soon: hung up on, or whole by its length and cut in itself."""
    kept = request.body[: dice.randrange(1, max(2, len(request.body) - 8))]
    if dice.random() < 0.5:
        return post(url, kept, request.headers) if _is_broken(request, kept) else None
    parts = urlsplit(url)
    lines = [f"{name}: {value}" for name, value in request.headers.items()]
    head = ["POST /v1/traces HTTP/1.1", f"host: {parts.netloc}", *lines]
    head += [f"content-length: {len(request.body)}", "", ""]
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), 5) as sent:
            sent.sendall("\r\n".join(head).encode() + kept)
    except OSError:
        return None
    return None


def _is_broken(request: Request, kept: bytes) -> bool:
    """Whether no reader could take the rest for a whole request: a cut can fall between two."""
    if request.headers["content-type"] == JSON or "content-encoding" in request.headers:
        return True
    try:
        ExportTraceServiceRequest.FromString(kept)
    except Exception:
        return True
    return False
