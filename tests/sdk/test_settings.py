"""Settings: argument before environment before default, and errors that name the cure."""

from __future__ import annotations

import pytest

from watchpost.errors import ConfigError
from watchpost.settings import DEFAULT_ENDPOINT, SETTINGS, Settings, read_settings


def test_nothing_said_gives_the_defaults() -> None:
    assert read_settings({}, {}) == Settings()
    assert Settings().endpoint == DEFAULT_ENDPOINT


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.argument)
def test_an_argument_goes_before_its_variables_in_their_order(setting: object) -> None:
    argument, variables = setting.argument, setting.variables  # type: ignore[attr-defined]
    samples = {
        "endpoint": ("http://a:1", "http://b:2"),
        "capture": ("full", "off"),
        "enabled": ("false", "true"),
        "heed_sigterm": ("false", "true"),
        "segments": ("a", "b"),
        "stream_usage": ("a.example", "false"),
    }
    first, second = samples.get(argument, ("one", "two"))
    environment = {variables[0]: second, **dict.fromkeys(variables[1:], first)}

    from_environment = getattr(read_settings({}, environment), argument)
    from_argument = getattr(read_settings({argument: first}, environment), argument)
    assert from_argument != from_environment
    assert from_environment == getattr(read_settings({argument: second}, {}), argument)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"endpoint": "localhost:4318"}, "endpoint='localhost:4318' cannot be used: give a URL"),
        ({"endpoint": "http://h:port"}, "endpoint='http://h:port'"),
        ({"capture": "some"}, "capture='some' cannot be used: say one of full"),
        ({"enabled": "perhaps"}, "enabled='perhaps' cannot be used: say true or false"),
        ({"heed_sigterm": "never"}, "heed_sigterm='never' cannot be used: say true or false"),
        ({"segments": ["a b"]}, "use letters"),
        ({"stream_usage": "http://a/v1"}, "names of hosts"),
        ({"stream_usage": 3}, "say true, false"),
    ],
)
def test_a_wrong_value_is_named_with_its_cure(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings(arguments, {})
    assert message in str(caught.value)


@pytest.mark.parametrize("url", ["http://ann:hush@h:1", "http://hush@h", "http://a:hush/@h:1"])
def test_a_password_in_an_endpoint_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings({}, {"WATCHPOST_ENDPOINT": url})
    assert "WATCHPOST_ENDPOINT='http://...@h" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_an_error_names_the_variable_that_said_it() -> None:
    with pytest.raises(ConfigError, match="WATCHPOST_CAPTURE='all'"):
        read_settings({}, {"WATCHPOST_CAPTURE": "all"})
