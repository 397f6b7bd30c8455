"""Vaults: what was hidden comes back to who made the vault, to nobody else, and is never shown."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import random
import threading
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watchpost.masking.vault import MOST_VALUES, Vault
from watchpost.record import dump
from watchpost.screening.guard import Finding
from watchpost.screening.window import Window


def seal(vault: Vault, text: str, *values: str, label: str = "NAME") -> str:
    found = [Finding(text.index(v), text.index(v) + len(v), label, 1.0) for v in values]
    return vault.seal(text, found)


def test_a_value_has_one_placeholder_and_comes_back_from_it() -> None:
    vault = Vault()
    sealed = seal(vault, "Ada wrote to Bob, and Ada again", "Ada", "Bob")

    assert sealed == "[NAME_1] wrote to [NAME_2], and Ada again"
    assert seal(vault, "again Ada", "Ada") == "again [NAME_1]"
    assert vault.restore("[NAME_2] and [NAME_1], not [NAME_3]") == "Bob and Ada, not [NAME_3]"


def test_a_known_value_is_hidden_where_no_guard_finds_it_but_not_inside_a_word() -> None:
    vault = Vault()
    seal(vault, "my password is Tr0ub4dor", "Tr0ub4dor", label="secret")

    assert vault.conceal("is it Tr0ub4dor? xTr0ub4dor") == "is it [SECRET_1]? xTr0ub4dor"


def test_a_placeholder_found_again_is_not_hidden_behind_another() -> None:
    vault = Vault()
    seal(vault, "see Ada", "Ada")
    sealed = seal(vault, "key: [NAME_1]!", "[NAME_1]!", label="KEY")

    assert vault.restore(sealed) == "key: Ada!"


def test_in_json_a_value_is_written_as_json_writes_it() -> None:
    vault = Vault()
    value = 'Ada "the first" \\ \n Lovelace'
    seal(vault, value, value)

    assert json.loads(vault.restore('{"who": "[NAME_1]"}')) == {"who": value}
    assert vault.restore("[NAME_1]") == value
    assert vault.conceal(json.dumps({"who": value})) == '{"who": "[NAME_1]"}'


def test_a_vault_shows_its_values_to_nobody() -> None:
    vault = Vault()
    seal(vault, "Ada Lovelace", "Ada Lovelace")

    assert "Ada" not in repr(vault) + str(vault) + f"{vault}" + dump({"held": vault})
    for take in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be copied"):
            take(vault)


def test_what_was_forgotten_does_not_come_back_as_something_else() -> None:
    vault = Vault()
    seal(vault, "Ada", "Ada")
    vault.clear()

    assert seal(vault, "Bob", "Bob") == "[NAME_2]"
    assert vault.restore("[NAME_1]") == "[NAME_1]"


def test_a_full_vault_hides_for_good() -> None:
    vault = Vault()
    for number in range(MOST_VALUES):
        value = f"value {number}"
        seal(vault, value, value)

    assert len(vault) == MOST_VALUES
    assert seal(vault, "one more", "one more") == "[NAME]"


PARTS = st.sampled_from(
    ["[NAME_1]", "[NAME_2]", "[NAME_", "[", "]", "[NAME_99]", "[x]", "plain ", '"', "\ud83d", "[["]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PARTS, max_size=25), st.lists(st.integers(1, 7), min_size=1, max_size=25))
def test_a_streamed_placeholder_comes_back_however_it_is_cut(
    parts: list[str], sizes: list[int]
) -> None:
    vault = Vault()
    seal(vault, "Ada Bob", "Ada", "Bob")
    text = "".join(parts)
    window = Window(None, vault.find_edits)
    pieces: list[tuple[int, str]] = []
    start = 0
    while start < len(text):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append((start, text[start : start + size]))
        window.feed(text[start : start + size])
        start += size
    window.close()

    shown = [window.show(*piece) for piece in pieces]
    assert "".join(told for _, told in shown) == vault.restore(text)
    assert "".join(recorded for recorded, _ in shown) == text


def test_plain_text_does_not_wait_for_a_placeholder() -> None:
    vault = Vault()
    window = Window(None, vault.find_edits)
    window.feed("plain words [and ")
    assert window.settled == len("plain words [and ")
    window.feed("then [NA")
    assert window.settled == len("plain words [and then ")


def test_two_tenants_under_load_never_see_each_others_values() -> None:
    mixed: list[str] = []
    start = threading.Barrier(4)

    def work(tenant: str, vault: Vault, seed: int) -> None:
        chance = random.Random(seed)
        start.wait()
        for _ in range(400):
            value = f"{tenant}-{chance.randrange(40):04}"
            sealed = seal(vault, f"of {value}.", value)
            back = vault.restore(f"{sealed} [NAME_1] [NAME_{chance.randrange(60)}]")
            if f"of {value}." not in back or tenant in sealed:
                mixed.append(back)
            other = "globex" if tenant == "acme" else "acme"
            if other in back:
                mixed.append(back)

    vaults = {"acme": Vault(), "globex": Vault()}
    threads = [
        threading.Thread(target=work, args=(tenant, vaults[tenant], seed))
        for seed, tenant in enumerate(["acme", "globex", "acme", "globex"])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert mixed == []
    assert all(len(vault) <= 40 for vault in vaults.values())


def test_vaults_that_were_dropped_leave_nothing_behind() -> None:
    def serve(rounds: int) -> None:
        for number in range(rounds):
            value = f"ada-{number:06}@example.com"
            vault = Vault()
            vault.restore(seal(vault, f"mail {value} now", value))

    serve(200)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    serve(3000)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()

    assert grown < 20_000
