"""A desk put together from what the operator chose: guards, device, limits.

The same for a process of its own and for a replica of a cluster. torch is imported only when a
model of the hub is wanted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from watchpost.errors import ConfigError, MissingExtra
from watchpost.screening.guard import Guard
from watchpost_guards.service.batcher import Batcher
from watchpost_guards.service.catalogue import Entry, load_catalogue
from watchpost_guards.service.desk import Desk, Limits
from watchpost_guards.service.embedded import EMBEDDED, open_embedded
from watchpost_guards.service.generative import GenerativeGuard
from watchpost_guards.service.meter import Meter
from watchpost_guards.service.roster import Roster, refuse_replacement
from watchpost_guards.service.schedule import LENGTHS, Bounds

DEVICES = "cpu, cuda or cuda:NUMBER"
DTYPES = ("auto", "float32", "bfloat16")
OPTIONS = ("models", "guards", "catalogue", "device", "dtype", "keys")
"""What the `args` of a cluster's configuration may hold."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a service is to have: `models` are `embedded` and names of the catalogue.

    `guards` keeps of the embedded ones only these; `schema` is served where it is named.
    """

    models: Sequence[str] = (EMBEDDED,)
    guards: Sequence[str] = ()
    catalogue: Path | None = None
    device: str = "cpu"
    dtype: str = "auto"
    bounds: Bounds = field(default_factory=Bounds)
    limits: Limits = field(default_factory=Limits)


def open_desk(choice: Choice, say: Callable[[str], None]) -> Desk:
    """The desk with its guards, models of the hub loaded; `Desk.open` warms them.

    `say` gets a line for each embedded guard that is left out. Raises ConfigError for what cannot
    be had, and MissingExtra without torch and transformers where a model needs them.
    """
    _check_device(choice.device)
    if choice.dtype not in DTYPES:
        raise ConfigError("--dtype", choice.dtype, f"say one of {', '.join(DTYPES)}")
    _check_numbers(choice)
    entries = _find_entries(choice)
    meter = Meter()
    batcher = Batcher(choice.bounds, meter)
    try:
        loader = _Loader(entries, choice, batcher)
        guards = _open_package_guards(choice, batcher, say) if EMBEDDED in choice.models else {}
        for name in entries:
            if name in guards:
                raise ConfigError("--models", name, "an embedded guard has this name: rename it")
            guards[name] = loader.load(name, "")
    except BaseException:
        batcher.close()
        raise
    return Desk(Roster(guards, loader.load), batcher, meter, choice.limits)


def read_choice(options: Mapping[str, str]) -> Choice:
    """What a replica of a cluster is to have, by the options of `watchpost guards serve`.

    Raises ConfigError for an option that does not exist.
    """
    if unknown := sorted(set(options) - set(OPTIONS)):
        raise ConfigError("args", unknown, f"name some of {', '.join(OPTIONS)}")
    catalogue = options.get("catalogue")
    return Choice(
        models=split_names(options.get("models", "embedded")),
        guards=split_names(options.get("guards", "")),
        catalogue=Path(catalogue) if catalogue else None,
        device=options.get("device", "cpu"),
        dtype=options.get("dtype", "auto"),
    )


def split_names(names: str) -> tuple[str, ...]:
    """Names separated by commas."""
    return tuple(name.strip() for name in names.split(",") if name.strip())


class _Loader:
    """Makes the guards of catalogue entries, at their own revision or another."""

    def __init__(self, entries: Mapping[str, Entry], choice: Choice, batcher: Batcher) -> None:
        self._entries = entries
        self._choice = choice
        self._batcher = batcher

    def load(self, name: str, revision: str) -> Guard:
        """The guard of an entry; '' is the revision it names itself."""
        if name not in self._entries:
            return refuse_replacement(name, revision)
        entry = self._entries[name].at(revision) if revision else self._entries[name]
        if entry.task == "generate":
            return GenerativeGuard(entry)
        missing = [package for package in ("torch", "transformers") if find_spec(package) is None]
        if missing:
            raise MissingExtra("gpu", f"the model {name!r} ({', '.join(missing)})")
        from watchpost_guards.service.hub import HubModel, check_device
        from watchpost_guards.service.judging import KINDS

        check_device(self._choice.device)
        model = HubModel(entry, self._choice.device, self._choice.dtype, self._batcher.widest)
        return KINDS[entry.task](entry, model, self._batcher)


def _find_entries(choice: Choice) -> dict[str, Entry]:
    known = load_catalogue(choice.catalogue)
    wanted = [name for name in choice.models if name != EMBEDDED]
    if strangers := [name for name in wanted if name not in known]:
        offered = ", ".join((EMBEDDED, *known))
        raise ConfigError("--models", ",".join(strangers), f"name some of: {offered}")
    return {name: known[name] for name in wanted}


# A request that names no guards gets all there are, and most texts are not meant to be JSON.
_WHERE_NAMED = frozenset({"schema"})


def _open_package_guards(
    choice: Choice, batcher: Batcher, say: Callable[[str], None]
) -> dict[str, Guard]:
    guards, absent = open_embedded(batcher)
    if choice.guards:
        for name in choice.guards:
            if name not in guards:
                cure = absent.get(name) or f"name some of: {', '.join(guards)}"
                raise ConfigError("--guards", name, cure)
        return {name: guards[name] for name in choice.guards}
    for name, reason in absent.items():
        say(f"without {name}: {reason}")
    return {name: guard for name, guard in guards.items() if name not in _WHERE_NAMED}


def _check_numbers(choice: Choice) -> None:
    """What is too small would fail every check, or every request."""
    limits, bounds = choice.limits, choice.bounds
    least = {
        "--threads": (limits.threads, 1),
        "--open-requests": (limits.open_requests, 1),
        "--waiting-tokens": (bounds.waiting_tokens, 1),
        # As long as the longest common window.
        "--batch-tokens": (bounds.batch_tokens, LENGTHS[-1]),
    }
    for setting, (value, smallest) in least.items():
        if value < smallest:
            raise ConfigError(setting, value, f"give {smallest} or more")


def _check_device(device: str) -> None:
    kind, _, number = device.partition(":")
    if device != "cpu" and not (kind == "cuda" and (not number or number.isdigit())):
        raise ConfigError("--device", device, f"say {DEVICES}")
