"""`watchpost demo`, in small: what it prints is what the store says."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

WATCHPOST = Path(sys.executable).with_name("watchpost")
SMALL = ("--days", "3", "--history", "120", "--live", "25")


def ask(url, sql):
    with urllib.request.urlopen(f"{url}/?default_format=JSONCompact", sql.encode()) as answer:
        return json.load(answer)["data"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A small demo that stays up, what it printed, and where it answers."""
    command = [str(WATCHPOST), "demo", *SMALL, "--data", str(tmp_path_factory.mktemp("demo"))]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    printed = []
    for line in process.stdout:
        printed.append(line)
        if line.startswith("Ctrl-C"):
            break
    text = "".join(printed)
    assert "Ctrl-C" in text, text
    query_url = re.search(r"ClickHouse +(http\S+)", text)[1]
    yield text, query_url
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    process.stdout.close()
    # Its server has ended with it.
    with pytest.raises(urllib.error.URLError, match="refused"):
        ask(query_url, "SELECT 1")


def test_the_totals_printed_are_the_totals_stored(demo):
    text, query_url = demo
    [[calls, tokens_in, tokens_out, usd]] = ask(
        query_url,
        "SELECT toString(count()), toString(sum(input_tokens)), toString(sum(output_tokens)), "
        "toFloat64(sum(cost)) FROM watchpost.generations",
    )
    assert int(calls) > 200
    assert f"{int(calls):,} calls" in text
    assert f"{int(tokens_in):,} tokens in, {int(tokens_out):,} out, ${usd:,.4f}" in text


def test_every_model_and_prompt_version_is_printed_with_its_own_sums(demo):
    text, query_url = demo
    rows = ask(
        query_url,
        "SELECT request_model, toString(count()), toFloat64(sum(cost)) "
        "FROM watchpost.generations GROUP BY request_model",
    )
    assert len(rows) == 4
    for model, calls, usd in rows:
        line = next(line for line in text.splitlines() if line.startswith(model))
        assert f" {int(calls):,} " in line
        assert f"${usd:,.4f}" in line
    versions = ask(
        query_url,
        "SELECT prompt_name, prompt_version, toString(count()) FROM watchpost.generations "
        "GROUP BY 1, 2",
    )
    # The first version is from before these days.
    assert {version for name, version, _ in versions if name == "reply"} == {"v2", "v3"}
    for name, version, calls in versions:
        assert re.search(rf"^{name} +{version} +{int(calls):,} ", text, re.MULTILINE)


def test_guards_were_asked_and_personal_data_is_masked_in_what_is_stored(demo):
    text, query_url = demo
    [[masked]] = ask(
        query_url,
        "SELECT toString(countIf(tripped)) FROM watchpost.verdicts "
        "WHERE guard = 'pii' AND direction = 'input'",
    )
    assert int(masked) > 20
    assert re.search(rf"^pii +input +[\d,]+ +{int(masked):,} ", text, re.MULTILINE)
    [[leaks]] = ask(
        query_url,
        "SELECT toString(countIf(input_messages LIKE '%@example.com%')) FROM watchpost.content",
    )
    assert leaks == "0"


def test_calls_have_prices_usage_and_a_place_in_their_tickets_trace(demo):
    _, query_url = demo
    [[unpriced, unplaced, streamed]] = ask(
        query_url,
        "SELECT toString(countIf(price_state = 'unpriced' AND usage_source != 'none')), "
        "toString(countIf(session_id = '' OR user_id = '' OR segments['plan'] = '')), "
        "toString(countIf(streaming)) "
        "FROM watchpost.generations",
    )
    assert (unpriced, unplaced) == ("0", "0")
    assert int(streamed) > 50
    [[tickets]] = ask(
        query_url, "SELECT toString(count()) FROM watchpost.spans WHERE name = 'handle ticket'"
    )
    assert int(tickets) > 100


def test_history_is_back_dated_over_its_days(demo):
    _, query_url = demo
    [[days]] = ask(
        query_url,
        "SELECT toString(uniqExact(toDate(start))) FROM watchpost.generations",
    )
    assert int(days) >= 3


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    done = subprocess.run(
        [str(WATCHPOST), "demo", "--data", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "starts from nothing" in done.stderr
    assert (tmp_path / "thesis.txt").exists()


def test_the_real_service_needs_a_key():
    environ = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    done = subprocess.run(
        [str(WATCHPOST), "demo", "--provider", "openai"],
        capture_output=True,
        text=True,
        env=environ,
    )
    assert done.returncode == 2
    assert "OPENAI_API_KEY" in done.stderr
