"""Models of the hub, loaded by `transformers` and computed by torch: their one home in a service.

A model is loaded at the revision its entry names, from the hub or from a folder in its format, in
16 bits on a GPU and in 32 on a CPU, with the attention that is fastest there. No code that a model
brings is run. It knows rows and logits, and nothing of what they mean.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import transformers

from watchpost.errors import ConfigError
from watchpost_guards.service.catalogue import Entry
from watchpost_guards.service.framing import Frame, Row

_CLASSES = {
    "classify": "AutoModelForSequenceClassification",
    "entail": "AutoModelForSequenceClassification",
    "tag": "AutoModelForTokenClassification",
}
# Some positions are taken by the padding's own number (RoBERTa).
_SPARE_POSITIONS = 2


class HubModel:
    """One loaded model on a device, and its tokenizer."""

    def __init__(self, entry: Entry, device: str, dtype: str, widest: int) -> None:
        source = entry.find_source()
        where = f"--catalogue {entry.name}"
        try:
            self._model = _load(source, entry, device, choose_dtype(device, dtype))
            tokenizer = _load_tokenizer(source, entry)
        except (OSError, ValueError, KeyError, ImportError) as error:
            # What transformers says is about files and names, and can be pages long.
            told = str(error).strip().partition("\n")[0]
            cure = f"{told} (pip install 'watchpost[gpu]' and see docs/guards/hosting.md)"
            raise ConfigError(where, source, cure) from error
        self.revision = f"{entry.model or source}@{entry.revision or 'local'}"
        self.lane = f"{entry.name} {self.revision}"
        config = self._model.config
        self.labels = [config.id2label[number] for number in range(config.num_labels)]
        positions = getattr(config, "max_position_embeddings", None) or entry.width
        width = min(entry.width, positions - _SPARE_POSITIONS, widest)
        self.frame = Frame(tokenizer.backend_tokenizer, width, where)
        self._device = device
        self._filler = tokenizer.pad_token_id or 0
        self._has_types = getattr(config, "type_vocab_size", 0) > 1

    def run(self, rows: Sequence[Row], length: int) -> Sequence[Any]:
        """Each row's logits: by token, or one row of them."""
        ids = [[*row.ids, *[self._filler] * (length - len(row.ids))] for row in rows]
        mask = [[1] * len(row.ids) + [0] * (length - len(row.ids)) for row in rows]
        given = {"input_ids": ids, "attention_mask": mask}
        if self._has_types:
            given["token_type_ids"] = [
                [*row.types, *[0] * (length - len(row.types))] for row in rows
            ]
        with torch.inference_mode():
            moved = {
                name: torch.tensor(values).to(self._device, non_blocking=True)
                for name, values in given.items()
            }
            logits = self._model(**moved).logits.float().cpu()
        by_token = logits.dim() == 3
        answers = logits.tolist()
        return [
            answer[: len(row.ids)] if by_token else [answer]
            for row, answer in zip(rows, answers, strict=True)
        ]

    def close(self) -> None:
        """Give the memory back, the device's too."""
        del self._model
        if self._device.startswith("cuda"):
            torch.cuda.empty_cache()


def check_device(device: str) -> None:
    """Raises ConfigError for a device that is not here."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError("--device", device, "torch sees no GPU here: use cpu")


def choose_dtype(device: str, dtype: str) -> torch.dtype:
    """Half the bits on a GPU, all of them on a CPU, where nothing else is asked for."""
    named = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if dtype != "auto":
        return named[dtype]
    return torch.bfloat16 if device.startswith("cuda") else torch.float32


def _load(source: str, entry: Entry, device: str, dtype: torch.dtype) -> Any:
    load: Callable[..., Any] = getattr(transformers, _CLASSES[entry.task]).from_pretrained
    given = {**_choose_revision(entry), "trust_remote_code": False, "dtype": dtype}
    try:
        model = load(source, attn_implementation="sdpa", **given)
    except ValueError as error:
        # Models with an attention of their own (DeBERTa) have no other.
        if "scaled_dot_product_attention" not in str(error):
            raise
        model = load(source, attn_implementation="eager", **given)
    return model.to(device).eval()


def _load_tokenizer(source: str, entry: Entry) -> Any:
    given = {**_choose_revision(entry), "trust_remote_code": False}
    tokenizer = transformers.AutoTokenizer.from_pretrained(source, **given)
    if not tokenizer.is_fast:
        raise ValueError("its tokenizer cannot tell where tokens stand")
    return tokenizer


def _choose_revision(entry: Entry) -> dict[str, str]:
    """A folder has the revision that lies in it."""
    return {} if entry.path else {"revision": entry.revision}
