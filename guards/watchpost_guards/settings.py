"""Settings of guards, checked where they are given: what cannot be used is told with its cure.

It knows no guard; `where` is how a setting is named to its user, as in `canary(words=...)`.
"""

from collections.abc import Sequence

from watchpost.errors import ConfigError


def name_setting(guard: str, key: str) -> str:
    """How an error names a guard's setting, in Python and in a policy's file."""
    return f"{guard}({key}=...)"


def check_whole(guard: str, key: str, value: object, least: int, most: int) -> int:
    """A whole number from `least` to `most`. Raises ConfigError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        cure = f"give a whole number from {least:,} to {most:,}"
        raise ConfigError(name_setting(guard, key), value, cure)
    return value


def check_share(guard: str, key: str, value: object) -> float:
    """A number between 0 and 1, both excluded. Raises ConfigError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise ConfigError(name_setting(guard, key), value, "give a number between 0 and 1")
    return float(value)


def check_texts(guard: str, key: str, value: object) -> tuple[str, ...]:
    """Some texts, none of them empty. Raises ConfigError for one text alone, or another thing."""
    is_list = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    texts = tuple(value) if is_list and isinstance(value, Sequence) else ()
    if not is_list or any(not isinstance(text, str) or not text.strip() for text in texts):
        # Not shown: it may be a prompt, or a word that nobody may know.
        told = f"a {type(value).__name__}"
        raise ConfigError(name_setting(guard, key), told, "give a list of texts, none empty")
    return texts


def check_name(guard: str, value: object) -> str:
    """What a guard is called. Raises ConfigError for an empty name, or another thing."""
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(name_setting(guard, "name"), value, "give it a name")
    return value
