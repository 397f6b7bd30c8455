"""The one door to a Grafana's API, by the public client for it; what goes wrong there, in words.

It knows addresses and errors; it does not know what is asked. No token is shown in a complaint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from watchpost.errors import ConfigError, MissingExtra, WatchpostError

URL_SETTING, TOKEN_SETTING = "GRAFANA_URL", "GRAFANA_TOKEN"
OLDEST = 11
_TIMEOUT_S = 30.0
_ABSENT = 404
_TOLD_CHARACTERS = 300
_CURES = {
    401: f"make a service account token in Grafana and set {TOKEN_SETTING}",
    403: "give the token's service account the role Admin; what Grafana provisions from files "
    "cannot be changed here",
    409: "it is provisioned in another way: from files, or by another program",
}


class GrafanaError(WatchpostError):
    """Raised when Grafana is not there, or refuses."""

    def __init__(self, reason: str, cure: str = "") -> None:
        super().__init__(f"{reason}: {cure}" if cure else reason)


@contextmanager
def connect(url: str, token: str) -> Iterator[Any]:
    """The client of a Grafana 11 or newer at `url`; its errors are told as GrafanaError.

    Raises ConfigError for what is no address or no token, MissingExtra without the client.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and not parts.query
        usable = usable and parts.username is None and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(URL_SETTING, url, "write it like https://grafana.example.com")
    if not token:
        raise ConfigError(TOKEN_SETTING, "", _CURES[401])
    try:
        from grafana_client.api import GrafanaApi
        from grafana_client.client import GrafanaException
        from requests import RequestException
    except ModuleNotFoundError as error:
        raise MissingExtra("grafana", f"pushing to Grafana (it needs {error.name})") from error
    # The client puts its own path behind what it is given.
    base = url if url.endswith("/") else f"{url}/"
    api = GrafanaApi.from_url(base, credential=token, timeout=_TIMEOUT_S)
    try:
        _check_version(api)
        yield api
    except GrafanaException as error:
        raise _tell(error) from error
    except (RequestException, OSError, ValueError) as error:
        raise GrafanaError(f"no Grafana answers at {url} ({type(error).__name__})") from error
    finally:
        api.client.s.close()


def find(ask: Callable[..., Any], *arguments: Any) -> Any:
    """The answer to a question about one thing; None when there is no such thing."""
    from grafana_client.client import GrafanaClientError

    try:
        return ask(*arguments)
    except GrafanaClientError as error:
        if error.status_code == _ABSENT:
            return None
        raise


def _check_version(api: Any) -> None:
    version = str(api.client.GET("/health").get("version", ""))
    major = version.partition(".")[0]
    if major.isdigit() and int(major) < OLDEST:
        raise GrafanaError(f"this is Grafana {version}", f"{OLDEST} or newer is needed")


def _tell(error: Any) -> GrafanaError:
    told = error.response.get("message", "") if isinstance(error.response, dict) else error.message
    said = " ".join(str(told).split())[:_TOLD_CHARACTERS]
    return GrafanaError(
        f"Grafana says {error.status_code} {said}", _CURES.get(error.status_code, "")
    )
