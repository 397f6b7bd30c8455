"""Async calls and the event loop: no guard, no file and no socket of ours on its thread."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

from standin_collector import StandInCollector

# A program with guards on both ways, export to a collector that comes and goes, and a disk that is
# slow where the operating system is: what happens on which thread is heard from Python's own audit.
PROGRAM = """
import asyncio, json, os, sys, threading, time
import openai
import watchpost
from watchpost.screening.guard import Verdict
from watchpost.testing import ProviderServer

def sync_slowly(descriptor, fsync=os.fsync):
    seen["fsync"].add(threading.get_ident())
    time.sleep(0.05)
    fsync(descriptor)

seen = {"guard": set(), "fsync": set(), "export": set()}
on_loop = []
os.fsync = sync_slowly

class Slow:
    name = "slow"
    def check(self, question):
        seen["guard"].add(threading.get_ident())
        time.sleep(0.02)
        return Verdict("slow")

EVENTS = ("open", "os.mkdir", "os.rename", "os.remove", "os.scandir", "os.listdir",
          "socket.connect", "socket.bind", "socket.getaddrinfo", "fcntl.flock", "time.sleep")

def whose(frame):
    # The innermost code that is not the standard library's.
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        package = name.partition(".")[0]
        if package not in sys.stdlib_module_names:
            return name
        frame = frame.f_back
    return ""

def listen(event, arguments):
    if event not in EVENTS:
        return
    name = whose(sys._getframe(1))
    if name.startswith("watchpost") and not name.startswith("watchpost.testing"):
        thread = threading.get_ident()
        if thread == loop_thread:
            on_loop.append(f"{event} in {name}")
        else:
            seen["export"].add(event)

async def ask(client, number):
    text = f"question {number}"
    messages = [{"role": "user", "content": text}]
    said = await client.chat.completions.create(model="gpt-4o", messages=messages)
    stream = await client.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
    async for _ in stream:
        pass
    return said

@watchpost.observe("work")
async def work(client):
    await asyncio.gather(*(ask(client, number) for number in range(10)))

async def main():
    policy = watchpost.Policy(block=[Slow()])
    watchpost.configure(policy=policy)
    with ProviderServer() as provider:
        http = openai.DefaultAsyncHttpxClient(verify=False)
        async with openai.AsyncOpenAI(
            base_url=provider.openai_url, api_key="test", http_client=http
        ) as client:
            watchpost.patch(client)
            global loop_thread
            loop_thread = threading.get_ident()
            sys.addaudithook(listen)
            await work(client)
            flushed = await asyncio.to_thread(watchpost.flush)
            loop_thread = None
    return flushed

loop_thread = None
flushed = asyncio.run(main())
main_thread = threading.main_thread().ident
print(json.dumps({
    "flushed": flushed,
    "on_loop": on_loop,
    "guards_on_loop": main_thread in seen["guard"],
    "fsync_on_loop": main_thread in seen["fsync"],
    "guards": len(seen["guard"]), "fsyncs": len(seen["fsync"]), "events": sorted(seen["export"]),
}))
"""


def test_guards_export_and_a_slow_disk_stay_off_the_loops_thread(tmp_path: Path) -> None:
    # Away at first, so that batches are written to the slow disk.
    away = StandInCollector()
    away.close()
    environ = {
        "PATH": "/usr/bin",
        "WATCHPOST_ENDPOINT": away.url,
        "WATCHPOST_DATA_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert not found["flushed"]
    # It did happen, and elsewhere.
    assert found["guards"] >= 1
    assert found["fsyncs"] >= 1
    assert {"open", "os.rename", "socket.connect"} <= set(found["events"])
    assert found["on_loop"] == []
    assert not found["guards_on_loop"]
    assert not found["fsync_on_loop"]
