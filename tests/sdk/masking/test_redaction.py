"""Redaction: whatever is planted in a span, however it is disguised, does not leave with it."""

import base64
import json
from collections.abc import Callable
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from watchpost import Policy, Verdict
from watchpost.masking.redaction import FAILED, Redactor
from watchpost.screening.guard import Finding, Question

CARD = "4111 1111 1111 1111"
MAIL = "alice.smith@example.com"
KEY = "sk-" + "proj-abcdEFGH1234567890abcdEFGH"
SECRETS = (CARD, MAIL, KEY)
REDACTOR = Redactor(Policy(redact=("pii",), block=("secrets",)))


def new_span(request: ExportTraceServiceRequest) -> Span:
    resource = request.resource_spans.add()
    span = resource.scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = b"t" * 16, b"s" * 8, "call"
    return span


def put(holder: object, key: str, value: str) -> None:
    pair = holder.attributes.add()  # type: ignore[attr-defined]
    pair.key, pair.value.string_value = key, value


def redact(plant: Callable[[Span, ExportTraceServiceRequest], None]) -> str:
    """What leaves, as text, after something was planted in a request."""
    request = ExportTraceServiceRequest()
    plant(new_span(request), request)
    REDACTOR.redact_request(request)
    return str(request)


def value_of(text: str, key: str = "x") -> str:
    """One attribute's value after redaction."""
    request = ExportTraceServiceRequest()
    put(new_span(request), key, text)
    REDACTOR.redact_request(request)
    return request.resource_spans[0].scope_spans[0].spans[0].attributes[0].value.string_value


PLACES: dict[str, Callable[[Span, ExportTraceServiceRequest, str], None]] = {
    "span name": lambda span, request, text: setattr(span, "name", text),
    "status": lambda span, request, text: setattr(span.status, "message", text),
    "attribute": lambda span, request, text: put(span, "a", text),
    "attribute key": lambda span, request, text: put(span, text, "v"),
    "event name": lambda span, request, text: setattr(span.events.add(), "name", text),
    "event attribute": lambda span, request, text: put(span.events.add(), "a", text),
    "link": lambda span, request, text: put(span.links.add(), "a", text),
    "trace state": lambda span, request, text: setattr(span, "trace_state", text),
    "resource": lambda span, request, text: put(request.resource_spans[0].resource, "a", text),
    "scope": lambda span, request, text: put(
        request.resource_spans[0].scope_spans[0].scope, "a", text
    ),
    "array": lambda span, request, text: setattr(
        span.attributes.add().value.array_value.values.add(), "string_value", text
    ),
    "map": lambda span, request, text: setattr(
        span.attributes.add().value.kvlist_value.values.add(), "key", text
    ),
    "bytes": lambda span, request, text: setattr(
        span.attributes.add().value, "bytes_value", b"\x00\xff" + text.encode() + b"\xfe"
    ),
    "schema": lambda span, request, text: setattr(request.resource_spans[0], "schema_url", text),
}

DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": lambda text: f"see {text} there",
    "base64": lambda text: base64.b64encode(f"a {text}".encode()).decode(),
    "urlsafe base64": lambda text: base64.urlsafe_b64encode(f"?>{text}".encode()).decode(),
    "unpadded base64": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    "base64 in a path": lambda text: "/v1/a/" + base64.b64encode(text.encode()).decode(),
    "base64 twice": lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    "wrapped base64": lambda text: base64.encodebytes(f"{'pad ' * 20}{text}".encode()).decode(),
    "data url": lambda text: "data:text/plain;base64," + base64.b64encode(text.encode()).decode(),
    "percent": lambda text: "https://x.io/?q=" + quote(text, safe=""),
    "percent and plus": lambda text: "https://x.io/?q=" + quote_plus(text),
    "percent twice": lambda text: "https://x.io/?q=" + quote(quote(text, safe=""), safe=""),
    "every byte percent": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "json": lambda text: json.dumps({"a": [{"b": f"line\n{text}"}]}),
    "json in json": lambda text: json.dumps({"arguments": json.dumps({"to": text})}),
    "json key": lambda text: json.dumps({text: 1}),
    "json with twins": lambda text: f'{{"a": "{text}", "a": "x"}}',
    "broken json": lambda text: '{"a": "' + "".join(f"\\u{ord(c):04x}" for c in text),
    "html": lambda text: "".join(f"&#{ord(char)};" for char in text),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("secret", SECRETS)
def test_no_part_of_a_span_lets_a_value_through(place: str, secret: str) -> None:
    left = redact(lambda span, request: PLACES[place](span, request, f"for {secret} now"))
    assert secret not in left


@pytest.mark.parametrize("place", PLACES)
def test_without_a_policy_the_same_span_holds_the_value(place: str) -> None:
    request = ExportTraceServiceRequest()
    PLACES[place](new_span(request), request, f"for {CARD} now")
    Redactor(Policy()).redact_request(request)
    assert CARD.encode() in request.SerializeToString()


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("secret", SECRETS)
def test_no_disguise_lets_a_value_through(disguise: str, secret: str) -> None:
    hidden = DISGUISES[disguise](secret)
    left = value_of(hidden)
    assert secret not in left
    assert hidden not in left
    assert "[" in left


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("encode", [str, lambda text: base64.b64encode(text.encode()).decode()])
def test_a_value_cut_into_chunk_events_is_found(
    size: int, secret: str, encode: Callable[[str], str]
) -> None:
    whole = f"well {encode(secret)} ok"
    request = ExportTraceServiceRequest()
    span = new_span(request)
    for start in range(0, len(whole), size):
        event = span.events.add()
        event.name = "gen_ai.chunk"
        put(event, "delta", whole[start : start + size])
    REDACTOR.redact_request(request)
    left = "".join(event.attributes[0].value.string_value for event in span.events)
    assert encode(secret) not in left
    assert left.startswith("well [")
    assert left.endswith(" ok")


def test_a_value_cut_into_the_parts_of_a_message_is_found() -> None:
    parts = [
        {"type": "text", "content": piece} for piece in ("to alice.sm", "ith@exam", "ple.com!")
    ]
    left = value_of(json.dumps([{"role": "user", "parts": parts}]), "gen_ai.output.messages")
    text = "".join(part["content"] for part in json.loads(left)[0]["parts"])
    assert "smith" not in text
    assert "ith@" not in text
    assert text.endswith("!")


def test_a_value_cut_into_indexed_attributes_is_found() -> None:
    request = ExportTraceServiceRequest()
    span = new_span(request)
    for index, piece in enumerate(("4111 1111", " 1111 1111")):
        put(span, f"gen_ai.completion.{index}.content", piece)
    REDACTOR.redact_request(request)
    assert all("1111" not in pair.value.string_value for pair in span.attributes)


def test_a_long_number_is_masked_and_a_time_is_not() -> None:
    request = ExportTraceServiceRequest()
    span = new_span(request)
    for number in (4111111111111111, 1763811044123456789):
        pair = span.attributes.add()
        pair.key, pair.value.int_value = "n", number
    REDACTOR.redact_request(request)
    card, moment = span.attributes
    assert card.value.string_value == "[CREDIT_CARD]"
    assert moment.value.int_value == 1763811044123456789


def test_a_key_says_what_its_value_is() -> None:
    assert value_of("hunter2", "db.password") == "[SECRET]"
    assert value_of("856456789", "user.ssn") == "[US_SSN]"
    assert value_of("hunter2", "greeting") == "hunter2"
    assert json.loads(value_of('{"login": {"password": "hunter2"}}')) == {
        "login": {"password": "[SECRET]"}
    }


def test_what_was_found_once_is_masked_in_the_whole_batch() -> None:
    request = ExportTraceServiceRequest()
    bare, encoded, named = new_span(request), new_span(request), new_span(request)
    put(bare, "note", "they typed hunter2 twice")
    put(encoded, "note", base64.b64encode(b"they typed wonderland9 here").decode())
    put(named, "text", "password: hunter2")
    put(named, "other", "password: wonderland9")
    REDACTOR.redact_request(request)
    assert "hunter2" not in str(request)
    assert encoded.attributes[0].value.string_value == "[SECRET]"


def test_harmless_spans_leave_as_they_came() -> None:
    request = ExportTraceServiceRequest()
    span = new_span(request)
    put(span, "gen_ai.input.messages", '[ {"role":"user", "parts":[{"content":"Hëllo\\n 1.50"}]} ]')
    put(span, "gen_ai.request.model", "gpt-4o-2024-08-06")
    put(span, "image", "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 40).decode())
    before = request.SerializeToString()
    REDACTOR.redact_request(request)
    assert request.SerializeToString() == before


class Dead:
    name = "dead"

    def check(self, question: Question) -> Verdict:
        raise OSError


def test_a_dead_guard_lets_nothing_through_but_the_programs_own_names() -> None:
    request = ExportTraceServiceRequest()
    span = new_span(request)
    put(span, "gen_ai.input.messages", "hello")
    put(span, "watchpost.kind", "generation")
    put(span, "x." + MAIL, "y")
    pair = span.attributes.add()
    pair.key, pair.value.int_value = "gen_ai.usage.input_tokens", 7
    Redactor(Policy(redact=(Dead(),))).redact_request(request)
    values = {pair.key: pair.value for pair in span.attributes}
    assert values["gen_ai.input.messages"].string_value == FAILED
    assert values["watchpost.kind"].string_value == "generation"
    assert values["gen_ai.usage.input_tokens"].int_value == 7
    assert span.name == FAILED
    assert MAIL not in str(request)


def test_a_redacting_guard_that_finds_no_place_hides_the_whole_text() -> None:
    class Vague:
        name = "vague"

        def check(self, question: Question) -> Verdict:
            bad = "bad" in question.text
            return Verdict(self.name, "BAD", float(bad), tripped=bad)

    redactor = Redactor(Policy(redact=(Vague(),)))
    assert redactor.redact_text("a bad text") == "[BAD]"
    assert redactor.redact_text("a good text") == "a good text"


def test_a_text_is_judged_once() -> None:
    asked: list[str] = []

    class Counting:
        name = "counting"

        def check(self, question: Question) -> Verdict:
            asked.append(question.text)
            return Verdict(self.name)

    redactor = Redactor(Policy(redact=(Counting(),)))
    for _ in range(3):
        redactor.redact_text("the same text")
    assert asked == ["the same text"]


def test_very_deep_json_is_still_read() -> None:
    deep = '{"a":' * 500 + f'"{MAIL}"' + "}" * 500
    assert MAIL not in value_of(deep)


words = st.text(st.characters(codec="ascii", categories=("L", "Zs")), max_size=20)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    secret=st.sampled_from(SECRETS),
    disguises=st.lists(st.sampled_from(sorted(DISGUISES)), min_size=1, max_size=2),
    place=st.sampled_from(sorted(PLACES)),
    around=st.tuples(words, words),
)
def test_no_planted_value_survives(
    secret: str, disguises: list[str], place: str, around: tuple[str, str]
) -> None:
    hidden = secret
    for disguise in disguises:
        hidden = DISGUISES[disguise](hidden)
    text = f"{around[0]} {hidden} {around[1]}"
    left = redact(lambda span, request: PLACES[place](span, request, text))
    assert secret not in left
    assert hidden not in left


@settings(max_examples=80, deadline=None)
@given(secret=st.sampled_from(SECRETS), cuts=st.sets(st.integers(1, 60), max_size=12), words=words)
def test_no_cut_lets_a_value_through(secret: str, cuts: set[int], words: str) -> None:
    whole = f"{words} {secret} bye"
    borders = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]

    def plant(span: Span, request: ExportTraceServiceRequest) -> None:
        for start, end in pairwise(borders):
            put(span.events.add(), "delta", whole[start:end])

    request = ExportTraceServiceRequest()
    span = new_span(request)
    plant(span, request)
    REDACTOR.redact_request(request)
    left = "".join(event.attributes[0].value.string_value for event in span.events)
    assert secret not in left
    assert secret[4:12] not in left


class NameGuard:
    """Finds a name anywhere; its part for fields finds none."""

    name = "names"
    locates = True

    class by_form:  # noqa: N801 - what a guard calls it
        name = "names"

        @staticmethod
        def check(question: Question) -> Verdict:
            return Verdict("names")

    def check(self, question: Question) -> Verdict:
        start = question.text.find("Ada")
        found = (Finding(start, start + 3, "PERSON", 1.0),) if start >= 0 else ()
        return Verdict("names", probability=float(bool(found)), tripped=bool(found), findings=found)


def test_prose_is_read_by_all_of_a_guard_and_a_short_field_by_what_knows_forms() -> None:
    redactor = Redactor(Policy(redact=(NameGuard(),)))
    assert redactor.redact_text("a letter to Ada was found") == "a letter to [PERSON] was found"
    assert redactor.redact_text("GET /users/Ada") == "GET /users/Ada"
