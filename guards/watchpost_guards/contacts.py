"""Where people and machines are reached: e-mail addresses, telephone numbers, IP addresses.

Each search starts from a cheap landmark (an at sign, a run of digits, dots or colons) and reads a
bounded stretch around it, so that no text takes more than linear time. Nothing here asks a
network: top-level domains are told by a list shipped with tldextract.
"""

import ipaddress
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from watchpost.screening.guard import Finding

_LOCAL_CHARACTERS, _DOMAIN_CHARACTERS = 64, 255
_LOCAL = re.compile(r"[\w.+\-%'~#$!*]{1,64}")
_DOMAIN = re.compile(r"\w+(?:-+\w+)*(?:\.\w+(?:-+\w+)*)+")

_PHONE = re.compile(r"(?<![\w.,])(?:\+|\(|00)?\d[\d ().\-/\u00a0]{5,22}\d(?![\w])")
_PHONE_WORDS = re.compile(
    r"phone|tel\b|tel[.:]|mobile|cell|fax|whatsapp|call (?:me|us|him|her)|sms"
)
_PHONE_REGIONS = ("US", "GB")
_NEAR = 48

_ADDRESS = re.compile(r"(?<![\w.:])[0-9A-Fa-f:.]{6,45}(?![\w:])")


def find_emails(text: str) -> Iterator[Finding]:
    """E-mail addresses under a real top-level domain."""
    position = text.find("@")
    while position >= 0:
        domain = _DOMAIN.match(text, position + 1, position + 1 + _DOMAIN_CHARACTERS)
        if domain and _has_suffix(domain[0]):
            # Backwards, so that the search ends where the address begins.
            before = text[max(0, position - _LOCAL_CHARACTERS) : position][::-1]
            local = _LOCAL.match(before)
            length = len(local[0].rstrip("!#$%&'*+-/=?^`{|}~.")) if local else 0
            if length:
                yield Finding(position - length, domain.end(), "EMAIL_ADDRESS", 1.0)
        position = text.find("@", position + 1)


def find_phones(text: str, start: int, end: int) -> Iterator[Finding]:
    """Telephone numbers in one stretch: valid, and either written like one or called one."""
    for match in _PHONE.finditer(text, start, end):
        value = match[0]
        digits = sum(character.isdigit() for character in value)
        if not 7 <= digits <= 15:
            continue
        nearby = text[max(0, match.start() - _NEAR) : match.start()].lower()
        is_named = _PHONE_WORDS.search(nearby) is not None
        is_international = value.startswith(("+", "00"))
        if not (is_named or is_international or _is_grouped(value)):
            continue
        if _is_phone(value, is_international):
            score = 0.4 + 0.35 * is_named + 0.35 * is_international + 0.15 * _is_grouped(value)
            yield Finding(match.start(), match.end(), "PHONE_NUMBER", min(score, 0.95))


def find_addresses(text: str) -> Iterator[Finding]:
    """IP addresses that can belong to somebody: not loopback, private or reserved."""
    if text.count(".") < 3 and text.count(":") < 2:
        return
    for match in _ADDRESS.finditer(text):
        value = match[0].rstrip(".:")
        if value.count(".") != 3 and value.count(":") < 3:
            continue
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            continue
        # Browser versions (120.0.0.0) are written like networks, and a network is nobody.
        if address.is_global and not value.endswith(".0.0"):
            yield Finding(match.start(), match.start() + len(value), "IP_ADDRESS", 0.95)


def _has_suffix(domain: str) -> bool:
    return bool(_suffixes()(domain).suffix)


@cache
def _suffixes() -> Any:
    """The public suffix list in the package; asking for a newer one would be a network call."""
    import tldextract

    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


def _is_grouped(value: str) -> bool:
    """Whether digits are set apart as telephone numbers are: 415-555-2671, 020 7946 0958."""
    groups = re.findall(r"\d+", value)
    shape = [len(group) for group in groups]
    if shape in ([3, 3, 4], [1, 3, 3, 4]):
        return True
    return 2 <= len(groups) <= 4 and groups[0][0] == "0" and sum(shape) in (10, 11)


def _is_phone(value: str, is_international: bool) -> bool:
    import phonenumbers

    written = "+" + value[2:] if value.startswith("00") else value
    for region in (None,) if is_international else _PHONE_REGIONS:
        try:
            number = phonenumbers.parse(written, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return True
    return False
