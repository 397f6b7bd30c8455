from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from otlp_bodies import build_request

from watchpost.errors import Full
from watchpost.serving.keys import Keys
from watchpost_collector.counters import Counters
from watchpost_collector.intake.admission import Parcel
from watchpost_collector.intake.reception import Reception
from watchpost_collector.otlp.refusal import PROTOBUF_TYPE
from watchpost_collector.spool.digests import Digests, compute_digest


async def test_a_resend_of_what_could_not_be_kept_is_received_and_refused(tmp_path: Path) -> None:
    counters, digests = Counters(), Digests(tmp_path)
    reception = Reception({}, digests, counters, Keys())
    body = build_request(3).SerializeToString()
    first, _ = digests.claim(compute_digest(body, "default", PROTOBUF_TYPE))
    parcel = Parcel(body, PROTOBUF_TYPE, "", "default", time.time_ns())

    resend = asyncio.create_task(reception.take(parcel))
    await asyncio.sleep(0)
    assert not resend.done()
    first.set_exception(Full("the disk is full", 5.0))
    with pytest.raises(Full):
        await resend

    counts = counters.read()
    assert (counts.received, counts.refused, counts.deduplicated) == (3, 3, 0)
    assert counters.read_projects() == {"default": {"received": 3, "refused": 3, "deduplicated": 0}}
