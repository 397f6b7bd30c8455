"""The HTTP status that a client's error tells, whoever's client it is. It knows no client."""

from __future__ import annotations


def find_status(error: BaseException | None) -> int:
    """The status an error tells, or the one it was raised from, where a client wraps errors."""
    return _own_status(error) or _own_status(getattr(error, "__cause__", None))


def _own_status(error: BaseException | None) -> int:
    """The status as an error has it itself, or in its response, or as botocore keeps it."""
    response = getattr(error, "response", None)
    status = getattr(error, "status_code", None) or getattr(response, "status_code", None)
    if isinstance(response, dict):
        status = (response.get("ResponseMetadata") or {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else 0
