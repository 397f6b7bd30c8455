"""Windows of tokens: all of the text, in pieces that fit, neighbours overlapping."""

from itertools import pairwise

import pytest
from tiny_model import make_model
from tokenizers import Tokenizer

from watchpost_guards.models.bundle import TOKENIZER
from watchpost_guards.models.windows import OVERLAP_SHARE, cut_windows


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return Tokenizer.from_file(str(make_model(tmp_path_factory.mktemp("model")) / TOKENIZER))


@pytest.mark.parametrize("words", [1, 40, 62, 63, 64, 65, 300, 20_000])
def test_every_character_stands_in_a_window_and_no_window_is_too_wide(
    tokenizer: Tokenizer, words: int
) -> None:
    text = " ".join(f"word{number}" for number in range(words))
    windows = list(cut_windows(tokenizer, text, 64))
    assert max(len(window.ids) for window in windows) <= 64
    assert windows[0].start == 0
    assert windows[-1].end == len(text)
    for before, after in pairwise(windows):
        assert after.start < before.end


def test_neighbours_share_half_of_the_overlap_at_least(tokenizer: Tokenizer) -> None:
    text = " ".join(f"word{number}" for number in range(500))
    windows = list(cut_windows(tokenizer, text, 128))
    for before, after in pairwise(windows):
        assert len(text[after.start : before.end].split()) >= 126 // OVERLAP_SHARE // 2


def test_an_empty_text_is_one_window(tokenizer: Tokenizer) -> None:
    (window,) = cut_windows(tokenizer, "", 64)
    assert len(window.ids) == 2
