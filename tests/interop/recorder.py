"""Makes the calls under one emitter, inside that emitter's own environment.

    python recorder.py EMITTER_FILE OPENAI_URL ANTHROPIC_URL

An emitter file has `start()`, which installs it as its own documentation says, `within(ask)`,
which makes a call while session, user and prompt are said in the emitter's own words, and
`stop()`, which sends all that waits; and `make_openai` where it wants a client of its own. For
every call one line of JSON goes to the standard output: its name and when it began and ended, in
nanoseconds.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from calls import CALLS, Call


def load_emitter(path: Path) -> ModuleType:
    """The emitter's file as a module of a name that hides no installed one."""
    spec = importlib.util.spec_from_file_location("emitter", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ask(client: Any, call: Call) -> None:
    """Make the call with the client of its protocol and read the answer to its end."""
    made = {
        "chat": lambda: client.chat.completions.create(**call.request),
        "responses": lambda: client.responses.create(**call.request),
        "messages": lambda: client.messages.create(**call.request),
    }[call.client]()
    if call.request.get("stream"):
        for _ in made:
            pass


def main() -> None:
    """Install the emitter, make every call in its scope, send what waits."""
    path, openai_url, anthropic_url = sys.argv[1:]
    emitter = load_emitter(Path(path))
    emitter.start()
    # After start: some instrumentations replace the classes themselves.
    import anthropic
    import openai

    make_openai = getattr(emitter, "make_openai", openai.OpenAI)
    oai = make_openai(base_url=openai_url, api_key="none", max_retries=0)
    claude = anthropic.Anthropic(base_url=anthropic_url, api_key="none", max_retries=0)
    for call in CALLS:
        began = time.time_ns()
        failure = ""
        try:
            emitter.within(partial(ask, claude if call.client == "messages" else oai, call))
        except (openai.APIError, anthropic.APIError) as error:
            failure = type(error).__name__
        line = {"call": call.name, "began_ns": began, "ended_ns": time.time_ns()}
        print(json.dumps({**line, "failure": failure}), flush=True)
    emitter.stop()


if __name__ == "__main__":
    main()
