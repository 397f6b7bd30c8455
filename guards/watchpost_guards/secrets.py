"""The guard `secrets`: credentials told by their form, and values that are assigned to a secret's
name.

Every pattern starts from a fixed prefix or name and repeats bounded classes, so that a text takes
linear time however it is made. It asks nobody whether a key is alive. A known form scores 1.0, a
value assigned to a name 0.9: an order, not calibrated probabilities.
"""

import math
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from watchpost.screening.guard import Finding, Guard, Question, Verdict, settle

REVISION = "2"
THRESHOLD = 0.5
REACH = 640
"""A name, what assigns, and a value in quotes take at most 551 characters, and 41 more tell where a
bare value ends. Longer forms (a private key, a token after `Bearer`) show before they are whole,
and tokens of a JWT's kind have no border within at which a stream is cut."""
_KNOWN, _ASSIGNED = 1.0, 0.9


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of credential: the text it must contain to be worth looking for, and its shape.

    The group `value` is what is hidden, the whole match without one.
    """

    label: str
    landmark: str
    pattern: re.Pattern[str]


def _form(label: str, landmark: str, pattern: str) -> Form:
    return Form(label, landmark, re.compile(pattern))


_FORMS = (
    _form("API_KEY", "sk-", r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_\-]{16,256}"),
    _form("API_KEY", "gsk_", r"(?<![A-Za-z0-9])gsk_[A-Za-z0-9]{20,128}"),
    _form("API_KEY", "hf_", r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{20,128}"),
    _form("API_KEY", "AIza", r"(?<![A-Za-z0-9])AIza[A-Za-z0-9_\-]{35,40}"),
    _form("API_KEY", "ya29.", r"(?<![A-Za-z0-9])ya29\.[A-Za-z0-9_\-]{20,512}"),
    _form("API_KEY", "GOCSPX-", r"GOCSPX-[A-Za-z0-9_\-]{20,64}"),
    _form("AWS_ACCESS_KEY", "A", r"(?<![A-Z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Z0-9])"),
    _form("GITHUB_TOKEN", "gh", r"(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{30,255}"),
    _form("GITHUB_TOKEN", "github_pat_", r"github_pat_[A-Za-z0-9_]{22,255}"),
    _form("GITLAB_TOKEN", "glpat-", r"glpat-[A-Za-z0-9_\-]{20,64}"),
    _form("SLACK_TOKEN", "xox", r"xox[abeoprs]-[A-Za-z0-9\-]{10,256}"),
    _form("SLACK_TOKEN", "xapp-", r"xapp-[A-Za-z0-9\-]{10,256}"),
    _form("WEBHOOK", "hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows)/[\w/]{20,200}"),
    _form("STRIPE_KEY", "_", r"(?<![A-Za-z0-9])(?:sk|rk|whsec)_(?:(?:live|test)_)?\w{16,256}"),
    _form("API_KEY", "SG.", r"(?<![A-Za-z0-9])SG\.[\w\-]{16,32}\.[\w\-]{16,64}"),
    _form("API_KEY", "npm_", r"(?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}"),
    _form("API_KEY", "pypi-", r"pypi-[A-Za-z0-9_\-]{40,400}"),
    _form("API_KEY", "dop_v1_", r"dop_v1_[a-f0-9]{64}"),
    _form("API_KEY", "key-", r"(?<![A-Za-z0-9])key-[a-f0-9]{32}(?![A-Za-z0-9])"),
    _form("JWT", "eyJ", r"eyJ[\w\-]{8,8192}\.eyJ[\w\-]{2,8192}\.[\w\-]{0,2048}"),
    _form(
        "PRIVATE_KEY",
        "-----BEGIN",
        r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[A-Za-z0-9+/=\s\\:,.]|-(?!-)){0,16384}(?:-----END [A-Z0-9 ]{0,40}-----)?",
    ),
    _form(
        "CREDENTIALS_IN_URL",
        "://",
        r"(?<=://)(?P<value>[^\s/:@\"'<>]{0,128}:[^\s/@\"'<>]{1,256})(?=@)",
    ),
    _form(
        "AUTHORIZATION",
        "earer ",
        r"[Bb]earer {1,64}(?P<value>[A-Za-z0-9_\-.~+/=]{12,4096})",
    ),
    _form(
        "AUTHORIZATION", "asic ", r"[Bb]asic {1,64}(?P<value>[A-Za-z0-9+/]{8,1024}={0,2})(?![\w ])"
    ),
)

# A name that promises a secret, an assignment, a value: quoted to its quote, bare to a border.
_NAMED = re.compile(
    r"(?:passw(?:or)?d|passphrase|(?<![a-z0-9])pwd"
    r"|secret(?:[_\- ]?(?:access[_\- ]?)?key)?|private[_\- ]?key|credentials?|cookie|authorization"
    r"|(?:api|access|auth|account|signing|encryption|master|service)[_\- ]?key"
    r"|(?:auth|access|refresh|api|session|bearer|id|csrf|bot)[_\-]?token"
    r"|(?<![A-Za-z0-9])token(?!s))"
    r"(?:[_\-]?(?:value|string|base|hash|prod|dev|test|live|key|\d{1,3}))?"
    r"\\?[\"']?\s{0,4}(?::=|=>|[:=]|\bis\b:?)\s{0,4}"
    r"(?:\"(?P<double>[^\"\n]{1,512})\"|'(?P<single>[^'\n]{1,512})'"
    r"|\\?[\"']?(?P<bare>(?:[^\s\"',;&<>(){}\[\]\\]|&(?!\w{1,40}=)){4,512}))",
    re.IGNORECASE,
)
_NAMES = ("pass", "pwd", "secret", "key", "token", "authorization", "credential", "cookie")

# What people write where a secret would stand, and what code assigns instead of one.
_EXAMPLE = re.compile(
    r"(?:none|null|nil|true|false|undefined|required|optional|string|str|int|bool|xxx+|\*{3,}"
    r"|\.{3,}|changeme|your[_\-].*|<.*|\$.*|%\(?\w+.*|\{.*|\[[A-Z0-9_ ]+\].*|os\.environ.*|getenv.*"
    r"|process\.env.*|settings\..*|config\..*|self\..*|example|placeholder|redacted|hidden)",
    re.IGNORECASE,
)


def create() -> Guard:
    """The guard; it has nothing to load."""
    return SecretsGuard()


class SecretsGuard:
    """Finds credentials."""

    name = "secrets"
    pure = True
    locates = True
    reach = REACH
    revision = REVISION

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self._threshold = threshold

    def check(self, question: Question) -> Verdict:
        """Find credentials in a text."""
        began = time.perf_counter()
        found = [item for item in find_secrets(question.text) if item.score >= self._threshold]
        return settle(
            self.name,
            found,
            threshold=self._threshold,
            revision=self.revision,
            duration_ms=(time.perf_counter() - began) * 1000,
        )


def find_secrets(text: str) -> Iterator[Finding]:
    """Credentials in a text; places may overlap."""
    if len(text) < 6:
        return
    for form in _FORMS:
        if form.landmark in text:
            for match in form.pattern.finditer(text):
                start, end = match.span("value" if "value" in form.pattern.groupindex else 0)
                if not _EXAMPLE.fullmatch(text, start, end):
                    yield Finding(start, end, form.label, _KNOWN)
    # Lower case only to ask whether to look: it may have another length than the text.
    lower = text.lower()
    if not any(name in lower for name in _NAMES):
        return
    for match in _NAMED.finditer(text):
        group = match.lastgroup or "bare"
        if _is_secret_value(match[group], is_quoted=group != "bare"):
            yield Finding(*match.span(group), "SECRET", _ASSIGNED)


def _is_secret_value(value: str, *, is_quoted: bool) -> bool:
    """Whether a value assigned to a secret's name is one and not prose, code or a placeholder."""
    stripped = value.strip()
    if len(stripped) < 4 or _EXAMPLE.fullmatch(stripped):
        return False
    if is_quoted:
        return True
    # Bare words after "password is" are prose ("password is required") unless they mix kinds.
    has_digit = any(character.isdigit() for character in stripped)
    has_other = any(not character.isalnum() for character in stripped.strip(".,!?:"))
    return has_digit or has_other or measure_entropy(stripped) > 3.5


def measure_entropy(value: str) -> float:
    """Bits a character, by how often each occurs in the value itself."""
    if not value:
        return 0.0
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values())
