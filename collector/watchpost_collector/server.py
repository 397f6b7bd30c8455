"""The running collector: it composes the rooms, opens both ports, and ends in good order.

The listeners open first and spans are taken at once; the engine and the page load meanwhile. On
SIGTERM or SIGINT it stops listening, seals, flushes and leaves with nothing in memory. This file
knows the order of things and leaves every decision to the rooms.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from watchpost.errors import ConfigError
from watchpost.serving.binding import bind
from watchpost.serving.keys import Keys
from watchpost.serving.origin import OriginGuard, Receive, Scope, Send, served_hosts
from watchpost_collector.access.projects import watch_projects
from watchpost_collector.context import Context
from watchpost_collector.counters import Counters
from watchpost_collector.intake.http_door import OtlpApp
from watchpost_collector.intake.reception import Reception
from watchpost_collector.intake.throttle import Throttle
from watchpost_collector.listening import (
    GRACE_S,
    Listener,
    Urls,
    configure,
    name_urls,
    reserve,
)
from watchpost_collector.otlp.signals import SIGNALS, TRACES, read_signal
from watchpost_collector.page.notice import show_waiting
from watchpost_collector.private_files import lock_directory, make_private, write_private
from watchpost_collector.query.facade import Facade
from watchpost_collector.query.reader import Reader
from watchpost_collector.routes import Switch, build_app
from watchpost_collector.scores.application import SCORES_PATH, ScoresApp
from watchpost_collector.settings import ServerSettings
from watchpost_collector.spool.digests import Digests
from watchpost_collector.spool.flush import Flusher
from watchpost_collector.spool.segments import recover_segments
from watchpost_collector.spool.set_aside import SetAside
from watchpost_collector.spool.writer import Spool
from watchpost_collector.telemetry import choose_way, report_always
from watchpost_collector.trouble import retell, summarize

if TYPE_CHECKING:
    from watchpost_collector.alerting.running import Alerting
    from watchpost_collector.erasure.application import ErasureApp
    from watchpost_collector.intake.grpc_door import OtlpGrpc
    from watchpost_collector.intake.redaction import Redaction
    from watchpost_collector.screening.background import Screening
    from watchpost_collector.store.upkeep import Upkeep

log = logging.getLogger(__name__)

_REOPEN_S = 5.0
_PATIENCE_S = 25.0
Say = Callable[[str], None]


@runtime_checkable
class ClosablePage(Protocol):
    """The page as the server needs it: an ASGI app that can be closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...
    async def close(self) -> None: ...


async def serve(
    settings: ServerSettings,
    keys: Keys,
    say: Say,
    load_page: Callable[[Context], ClosablePage],
) -> None:
    """Run until a signal; `say` prints one line for people. Raises ConfigError before it listens.

    `load_page` builds the page when the store is there.
    """
    retell("asyncio", "nicegui", "uvicorn.error")
    keys.require_keys_for(settings.host)
    make_private(settings.data, "--data")
    lock_directory(settings.data, "--data")
    _keep_leftovers_private(settings.data)
    sockets = [bind(settings.host, settings.port, "--port")]
    sockets.append(bind(settings.host, settings.query_port, "--query-port"))
    grpc_place = reserve(settings)
    context = build_context(settings, keys)
    context.query_port = sockets[1].getsockname()[1]
    page, query = Switch(partial(show_waiting, context)), Switch()
    reception = _open_reception(context)
    app = build_app(context, OtlpApp(reception), ScoresApp(reception, keys), page)
    hosts = served_hosts(settings.host, settings.allow_hosts)
    listeners = [
        Listener(configure(OriginGuard(app, hosts, open_to=(SCORES_PATH,)))),
        Listener(configure(OriginGuard(query, hosts, forms=True, links=False))),
    ]
    urls = name_urls(settings, sockets, grpc_place)
    context.page_url = urls.page
    stop = _catch_signals()
    serving = [
        asyncio.create_task(listener.serve([bound]))
        for listener, bound in zip(listeners, sockets, strict=True)
    ]
    say(f"taking spans at {urls.otlp}/v1/traces; loading the engine")
    grpc = asyncio.create_task(_open_grpc(reception, settings.host, grpc_place))
    opening = asyncio.create_task(_open(context, grpc, page, query, load_page, urls, say))
    telling = asyncio.create_task(_tell_of_itself(context, reception))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, opening], return_when=asyncio.FIRST_COMPLETED)
    if opening.done() and opening.exception() is None:
        await stopping
    say("stopping: sealing and flushing what was acknowledged")
    telling.cancel()
    for listener in listeners:
        listener.should_exit = True
    await asyncio.gather(*serving, _close_grpc(grpc))
    await _close(context, opening, page)


def _open_reception(context: Context) -> Reception:
    return Reception(
        context.spools,
        context.digests,
        context.counters,
        context.keys,
        context.settings.intake,
        context.throttle,
        context.redaction,
    )


async def _tell_of_itself(context: Context, reception: Reception) -> None:
    settings = context.settings
    send = choose_way(settings.telemetry, reception)
    if send is not None:
        await report_always(context, send, settings.telemetry_every_s)


def _keep_leftovers_private(data: Path) -> None:
    """Have the engine's driver leave with the data what it writes: schemas, and inserts."""
    scratch = make_private(data / "scratch", "--data")
    for leftover in scratch.iterdir():
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()
    # Set for this process: the driver asks for the default, and offers no choice of its own.
    tempfile.tempdir = str(scratch)
    os.chdir(data)


def build_context(settings: ServerSettings, keys: Keys) -> Context:
    """The spool, recovered, with everything that hangs on it; the store comes later."""
    directory = make_private(settings.data / "spool", "--data")
    counters = Counters()
    directory_aside = make_private(settings.data / "set-aside", "--data")
    set_aside = SetAside(directory_aside, counters, settings.set_aside)
    digests = Digests(settings.data / "digests")
    digests.load()
    recovered = recover_segments(directory, set_aside.take_bytes, counters)
    flusher = Flusher(digests, counters, set_aside)
    spools = {
        signal.name: Spool(directory, settings.spool, flusher.hand_over, signal)
        for signal in SIGNALS
    }
    flusher.bind(*spools.values())
    for segment in recovered:
        signal = read_signal(segment.name)
        digests.restore(segment.digests)
        counters.of(signal).add(recovered=segment.spans, waiting=segment.spans)
        spools[signal.name].adopt(segment)
        flusher.hand_over(segment)
    projects = watch_projects(settings.data)
    throttle = Throttle(projects.read)
    return Context(
        settings,
        keys,
        spools[TRACES.name],
        digests,
        counters,
        flusher,
        set_aside,
        projects,
        throttle,
        spools,
        redaction=_load_redaction(settings.redact),
    )


async def _open(
    context: Context,
    grpc: asyncio.Task[OtlpGrpc | None],
    page: Switch,
    query: Switch,
    load_page: Callable[[Context], ClosablePage],
    urls: Urls,
    say: Say,
) -> None:
    """Everything that takes seconds: engine, migrations, query port, page; then say `ready`."""
    await grpc  # takes a tenth of one, and then spans come by either protocol
    await _open_store(context, say)
    query.app = Facade(context.reader, context.keys)
    page.app = await _open_page(context, load_page)
    say(f"page and API   {urls.page}")
    say(f"OTLP over HTTP {urls.otlp}")
    if urls.grpc:
        say(f"OTLP over gRPC {urls.grpc}")
    say(f"ClickHouse     {urls.query}")
    ready_file = context.settings.ready_file
    if ready_file is not None:
        ready_file.unlink(missing_ok=True)
        write_private(ready_file, json.dumps(asdict(urls)).encode())
    say("ready")


async def _open_grpc(
    reception: Reception, host: str, reserved: socket.socket | None
) -> OtlpGrpc | None:
    if reserved is None:
        return None
    # Its import takes as long as opening every other listener, so that waits for none of it.
    module = await asyncio.to_thread(
        importlib.import_module, "watchpost_collector.intake.grpc_door"
    )
    with reserved:
        server: OtlpGrpc = module.OtlpGrpc(reception)
        await server.start(host, reserved.getsockname()[1])
    return server


async def _close_grpc(opening: asyncio.Task[OtlpGrpc | None]) -> None:
    await asyncio.wait([opening])
    # What went wrong with it is raised by the one who waited for it to open.
    if opening.exception() is None and (server := opening.result()) is not None:
        await server.stop(GRACE_S)


async def _open_store(context: Context, say: Say) -> None:
    while True:
        try:
            store = await asyncio.to_thread(_connect, context)
            break
        except ConfigError:
            raise
        except Exception as error:
            # A server that is away comes back; until then the spool keeps what arrives.
            context.flusher.fail(f"{type(error).__name__}")
            told = summarize(error)
            say(f"the store cannot be opened ({told}); trying again in {_REOPEN_S:g} s")
            context.flusher.drop_old()
            await asyncio.sleep(_REOPEN_S)
    context.opened_store = store
    context.opened_reader = Reader(context.settings.store)
    context.erasing = await asyncio.to_thread(_start_eraser, context, store)
    if context.settings.policy_file is not None:
        context.screening = await asyncio.to_thread(_start_screening, context, store)
    context.flusher.start(store)
    if context.settings.alerts_file is not None:
        context.alerting = await asyncio.to_thread(_start_alerting, context)


def _connect(context: Context) -> Upkeep:
    from watchpost_collector.opening import open_upkeep

    return open_upkeep(context.settings, context.projects.read)


def _start_eraser(context: Context, upkeep: Upkeep) -> ErasureApp:
    from watchpost_collector.erasure.application import open_erasing

    app = open_erasing(context, upkeep.store)
    context.flusher.sweep = app.sweep
    return app


def _start_screening(context: Context, upkeep: Upkeep) -> Screening:
    from watchpost_collector.screening.background import open_screening

    screening = open_screening(context, upkeep.store)
    upkeep.unscreened = screening.unscreened
    screening.start()
    return screening


def _start_alerting(context: Context) -> Alerting:
    from watchpost_collector.alerting.running import open_alerting

    alerting = open_alerting(context)
    alerting.start()
    return alerting


def _load_redaction(setting: str) -> Redaction | None:
    if not setting:
        return None
    from watchpost_collector.intake.redaction import load_redaction

    return load_redaction(setting)


async def _open_page(
    context: Context, load_page: Callable[[Context], ClosablePage]
) -> ClosablePage:
    # Importing the page takes a second or two: on a thread, so that spans are taken meanwhile.
    await asyncio.to_thread(importlib.import_module, "watchpost_collector.page.application")
    return load_page(context)


async def _close(context: Context, opening: asyncio.Task[None], page: Switch) -> None:
    failure = opening.exception() if opening.done() and not opening.cancelled() else None
    if not opening.done():
        opening.cancel()
        await asyncio.wait([opening])
    if isinstance(page.app, ClosablePage):
        await page.app.close()
    for spool in context.spools.values():
        await asyncio.to_thread(spool.close)
    if failure is None and context.opened_store is None:
        _leave(context, "the store is not open yet")
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await _close_store(context)
    except TimeoutError:
        _leave(context, "the store does not answer")
    if failure is not None:
        raise failure


def _leave(context: Context, why: str) -> None:
    """End the process now: a thread that waits for a store would keep it for minutes.

    What was acknowledged is in the spool, as after a crash.
    """
    waiting = context.counters.read().waiting
    log.warning("%s: leaving, with %d spans in the spool", why, waiting)
    os._exit(0)


async def _close_store(context: Context) -> None:
    if context.alerting is not None:
        await asyncio.to_thread(context.alerting.close)
    await asyncio.to_thread(context.flusher.close)
    if context.screening is not None:
        await asyncio.to_thread(context.screening.close)
    if context.redaction is not None:
        context.redaction.close()
    if context.erasing is not None:
        await asyncio.to_thread(context.erasing.close)
    if context.opened_reader is not None:
        await asyncio.to_thread(context.opened_reader.close)
    if context.opened_store is not None:
        await asyncio.to_thread(context.opened_store.close)


def _catch_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
