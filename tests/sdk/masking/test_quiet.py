"""What was found quiet is skipped, and nothing is let out by it."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from watchpost import Policy, Verdict, attributes
from watchpost.masking.quiet import Quiet, sign_events, sign_pair
from watchpost.masking.redaction import Redactor
from watchpost.screening.guard import Finding, Question, settle
from watchpost.screening.policy import Rule

KEY = "sk-" + "proj-abcdEFGH1234567890abcdEFGH"
PASSWORD = "corvusalbus77"


class Counting:
    """A guard that finds one word and counts how often it is asked."""

    name = "counting"
    locates = True

    def __init__(self, word: str) -> None:
        self.word, self.asked = word, 0

    def check(self, question: Question) -> Verdict:
        self.asked += 1
        start = question.text.find(self.word)
        if start < 0:
            return Verdict(self.name)
        found = (Finding(start, start + len(self.word), "WORD", 1.0),)
        return settle(self.name, found, threshold=0.5, revision="1", duration_ms=0.1)


def make_request(
    *spans: dict[str, str], verdicts: tuple[str, ...] = ()
) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number, values in enumerate(spans):
        span = scope.spans.add()
        span.trace_id, span.span_id, span.name = b"t" * 16, bytes([number] * 8), "call"
        for key, text in values.items():
            span.attributes.add(key=key).value.string_value = text
        add_verdicts(span, verdicts)
    return request


def add_verdicts(span: Span, labels: tuple[str, ...]) -> None:
    for label in labels:
        event = span.events.add(name=attributes.VERDICT_EVENT)
        event.attributes.add(key=attributes.VERDICT_LABEL).value.string_value = label
        event.attributes.add(key=attributes.VERDICT_PROBABILITY).value.double_value = 0.25


def test_a_second_look_at_the_same_attributes_asks_no_guard() -> None:
    guard = Counting("planted")
    redactor = Redactor(Policy(redact=(guard,)))
    redactor.redact_request(make_request({"app.topic": "delivery of lamps"}, verdicts=("A", "B")))
    asked = guard.asked
    redactor.redact_request(make_request({"app.topic": "delivery of lamps"}, verdicts=("A", "B")))
    assert asked > 0
    assert guard.asked == asked


def test_a_value_found_elsewhere_is_masked_where_it_was_quiet_before() -> None:
    redactor = Redactor(Policy(redact=("secrets",)))
    quiet = {"app.note": f"the raven is {PASSWORD} today"}
    redactor.redact_request(first := make_request(quiet))
    assert PASSWORD in str(first)
    redactor.redact_request(second := make_request(quiet, {"app.say": f'password: "{PASSWORD}"'}))
    assert PASSWORD not in str(second)
    redactor.redact_request(third := make_request(quiet))
    assert PASSWORD in str(third)


def test_a_verdict_is_no_hiding_place() -> None:
    redactor = Redactor(Policy(redact=("secrets",)))
    redactor.redact_request(make_request({}, verdicts=("EMAIL", "EMAIL")))
    redactor.redact_request(request := make_request({}, verdicts=("EMAIL", KEY)))
    assert KEY not in str(request)


def test_a_secret_cut_into_the_labels_of_two_verdicts_is_read_together() -> None:
    redactor = Redactor(Policy(redact=("secrets",)))
    for half in (KEY[:14], KEY[14:]):
        redactor.redact_request(make_request({}, verdicts=(half,)))
    redactor.redact_request(request := make_request({}, verdicts=(KEY[:14], KEY[14:])))
    assert KEY[14:] not in str(request)


def test_a_secret_cut_into_indexed_attributes_is_read_together_every_time() -> None:
    redactor = Redactor(Policy(redact=("secrets",)))
    halves = {"part.0.text": KEY[:14], "part.1.text": KEY[14:]}
    for index, half in halves.items():
        redactor.redact_request(make_request({index: half}))
    redactor.redact_request(request := make_request(halves))
    assert KEY[14:] not in str(request)


def test_a_key_written_twice_in_a_span_hides_nothing() -> None:
    redactor = Redactor(Policy(redact=("secrets",)))
    for half in (KEY[:14], KEY[14:]):
        redactor.redact_request(make_request({"part": half}))
    request = make_request({"part": KEY[:14]})
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="part").value.string_value = KEY[14:]
    redactor.redact_request(request)
    assert KEY[14:] not in str(request)


def test_what_is_quiet_for_some_rules_is_looked_at_again_under_others() -> None:
    declared: list[tuple[Rule, ...]] = [()]
    redactor = Redactor(Policy(redact=("secrets",)), lambda: declared[0])
    words = {"app.topic": "a planted word"}
    redactor.redact_request(make_request(words))
    declared[0] = Policy(redact=(Counting("planted"),)).rules
    redactor.redact_request(request := make_request(words))
    assert "planted" not in str(request)


def test_a_text_no_guard_could_check_is_not_quiet_when_the_guard_is_well_again() -> None:
    class Recovering(Counting):
        is_ill = True

        def check(self, question: Question) -> Verdict:
            if self.is_ill:
                raise RuntimeError
            return super().check(question)

    guard = Recovering("planted")
    redactor = Redactor(Policy(redact=(guard,)))
    redactor.redact_request(make_request({"app.topic": "a planted word"}))
    guard.is_ill = False
    redactor.redact_request(request := make_request({"app.topic": "a planted word"}))
    assert "planted" not in str(request)


def test_signs_differ_wherever_a_text_differs() -> None:
    spans = []
    for values in ({"a": "x"}, {"a": "y"}, {"b": "x"}, {"a": "x" * 300}, {"a": "x" * 301}):
        request = make_request(values)
        spans.append(request.resource_spans[0].scope_spans[0].spans[0])
    signs = {sign_pair(span.attributes[0]) for span in spans}
    assert len(signs) == len(spans)


def test_events_other_than_verdicts_are_never_signed() -> None:
    span = Span()
    add_verdicts(span, ("A",))
    assert sign_events(span.events) is not None
    span.events.add(name="chunk")
    assert sign_events(span.events) is None


def test_a_full_memory_forgets_and_goes_on() -> None:
    quiet = Quiet(most=2)
    for sign in ("a", "b", "c"):
        quiet.add(sign)
    assert "a" not in quiet
    assert "c" in quiet
