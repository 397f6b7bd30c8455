"""Tiny random models in the hub's format: written by transformers, read by the code that ships."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = [*"abcdefghijklmnopqrstuvwxyz", "alice", "lives", "in", "paris", "bob", "sells", "tea"]
MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
SHAPE = {**SIZES, "intermediate_size": 37, "max_position_embeddings": 66}


def make(
    folder: Path, config_class: str, model_class: str, labels: list[str], seed: int, **more: Any
) -> Path:
    """A model of that architecture with random weights, and its tokenizer, in a folder."""
    torch.manual_seed(seed)
    names: Mapping[int, str] = dict(enumerate(labels))
    config = getattr(transformers, config_class)(
        vocab_size=len(MARKS) + len(WORDS),
        id2label=names,
        label2id={name: number for number, name in names.items()},
        pad_token_id=0,
        initializer_range=0.5,
        **{**SHAPE, **more},
    )
    model = getattr(transformers, model_class)(config)
    model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


def make_tokenizer() -> Any:
    """Words and letters, with BERT's marks; set to cut at 8 tokens, as some on the hub are."""
    vocabulary = {word: number for number, word in enumerate([*MARKS, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]", length=8)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
