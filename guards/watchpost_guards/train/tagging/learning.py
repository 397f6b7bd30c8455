"""Learning the tagger: windows with the encoder's states, then passes over them.

States are those of the shipped encoder, computed by the runtime that will compute them for users.
It does not know where texts come from.
"""

import copy
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy
import torch
from torch import Tensor
from torch.nn import functional

from watchpost_guards.models.shapes import SIZES, describe
from watchpost_guards.models.windows import see
from watchpost_guards.train.tagging.network import Network
from watchpost_guards.train.tagging.passages import Passage

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_TOKENS_AT_ONCE = 4096
_UNTOLD = -100
_UNSEEN = 0.04
_FAR = -1e4


@dataclass(frozen=True, slots=True)
class Learned:
    """Tokens of all windows in a row: window `i` is `[starts[i]:starts[i + 1]]` of each."""

    states: Tensor
    shapes: Tensor
    tags: Tensor
    starts: Tensor


@dataclass(frozen=True, slots=True)
class Plan:
    """Passes over the texts, highest rate, and the minutes after which no pass is begun."""

    epochs: int = 4
    rate: float = 2e-3
    minutes: float = 40.0
    seed: int = 1


def tags_of(kinds: Sequence[str]) -> dict[str, int]:
    """The number of the tag that begins a kind; the next one continues it, and 0 is outside."""
    return {kind: 1 + 2 * number for number, kind in enumerate(kinds)}


def read_windows(
    session: Any,
    tokenizer: "Tokenizer",
    passages: Sequence[Passage],
    kinds: Sequence[str],
    width: int,
) -> Learned:
    """Every window of every text. `session` is that of the frozen layers."""
    begins = tags_of(kinds)
    ids, shapes, tags = [], [], []
    for passage in passages:
        for window in see(tokenizer, passage.text, width):
            ids.append(window.ids)
            shapes.append(numpy.array(describe(passage.text, window.places), dtype=numpy.int8))
            tags.append(_tag(window.places, passage, begins))
    lengths = torch.tensor([len(window) for window in ids])
    starts = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])
    states = torch.empty(int(starts[-1]), _width_of(session), dtype=torch.float16)
    for batch in _by_length(lengths.tolist()):
        longest = max(len(ids[number]) for number in batch)
        padded = numpy.zeros((len(batch), longest), dtype=numpy.int64)
        mask = numpy.zeros((len(batch), longest), dtype=numpy.int64)
        for row, number in enumerate(batch):
            padded[row, : len(ids[number])] = ids[number]
            mask[row, : len(ids[number])] = 1
        above = session.run(["states"], {"input_ids": padded, "attention_mask": mask})[0]
        for row, number in enumerate(batch):
            of_window = torch.from_numpy(above[row, : len(ids[number])].astype(numpy.float16))
            states[starts[number] : starts[number + 1]] = of_window
    return Learned(
        states,
        torch.from_numpy(numpy.concatenate(shapes)),
        torch.tensor([tag for of_window in tags for tag in of_window]),
        starts,
    )


def fit(learned: Learned, kinds: Sequence[str], plan: Plan, tell: Callable[[str], None]) -> Network:
    """A network that learned the windows' tags."""
    torch.manual_seed(plan.seed)
    rng = random.Random(plan.seed)  # noqa: S311 - an order to learn in
    network = Network(1 + 2 * len(kinds), SIZES, width=learned.states.shape[1])
    # Half precision throughout is four times as fast; the steps are taken at full precision.
    quick = copy.deepcopy(network).to(torch.bfloat16)
    lengths = (learned.starts[1:] - learned.starts[:-1]).tolist()
    steps = plan.epochs * len(_by_length(lengths))
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps))
    began = time.monotonic()
    for epoch in range(plan.epochs):
        spent = (time.monotonic() - began) / 60
        if epoch and spent * (epoch + 1) / epoch > plan.minutes:
            tell(f"stopped after {epoch} of {plan.epochs} passes: {plan.minutes} minutes are up")
            break
        batches = _by_length([length * (1 + 0.1 * rng.random()) for length in lengths])
        rng.shuffle(batches)
        total = 0.0
        for batch in batches:
            total += _learn(quick, learned, batch)
            _step(network, quick, optimiser)
            schedule.step()
        minutes = (time.monotonic() - began) / 60
        tell(f"pass {epoch + 1}: loss {total / len(batches):.4f}, {minutes:.1f} minutes")
    return network.eval()


def _learn(quick: Network, learned: Learned, batch: list[int]) -> float:
    """One batch's loss, its gradients left in the network."""
    states, shapes, absent, tags = _gather(learned, batch)
    scores = quick(states, shapes, absent)
    loss = functional.cross_entropy(
        scores.float().flatten(0, 1), tags.flatten(), ignore_index=_UNTOLD
    )
    loss.backward()
    return float(loss.detach())


def _step(network: Network, quick: Network, optimiser: Any) -> None:
    pairs = list(zip(network.parameters(), quick.parameters(), strict=True))
    for exact, rough in pairs:
        exact.grad = None if rough.grad is None else rough.grad.float()
        rough.grad = None
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    with torch.no_grad():
        for exact, rough in pairs:
            rough.copy_(exact)


def _gather(learned: Learned, batch: list[int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    begin, end = learned.starts[batch], learned.starts[torch.tensor(batch) + 1]
    places = torch.arange(int((end - begin).max()))
    there = places[None, :] < (end - begin)[:, None]
    rows = (begin[:, None] + places).clamp(max=len(learned.states) - 1)
    absent = torch.where(there, 0.0, _FAR)
    tags = torch.where(there, learned.tags[rows], torch.tensor(_UNTOLD))
    states = learned.states[rows].to(torch.bfloat16)
    # Some tokens unseen each time, so that no single one is leaned on.
    states = states * (torch.rand(rows.shape) >= _UNSEEN).to(states.dtype)[:, :, None]
    return states, learned.shapes[rows].long(), absent.to(states.dtype), tags


def _tag(
    places: Sequence[tuple[int, int]], passage: Passage, begins: dict[str, int]
) -> Iterator[int]:
    tags = []
    position = 0
    open_span = None
    for start, end in places:
        while position < len(passage.spans) and passage.spans[position][1] <= start:
            position += 1
        tag = 0 if start < end else _UNTOLD
        if start < end and position < len(passage.spans):
            first, _, kind = passage.spans[position]
            if kind in begins and end > first:
                tag = begins[kind] + (open_span == position)
                open_span = position
        tags.append(tag)
    return iter(tags)


def _by_length(lengths: Sequence[float]) -> list[list[int]]:
    """Numbers of windows of like length, so many that they hold about as many tokens."""
    batches: list[list[int]] = [[]]
    for number in sorted(range(len(lengths)), key=lambda number: lengths[number]):
        if batches[-1] and (len(batches[-1]) + 1) * lengths[number] > _TOKENS_AT_ONCE:
            batches.append([])
        batches[-1].append(number)
    return batches


def _rate(step: int, steps: int) -> float:
    """Up over the first twentieth, then down to nothing."""
    warm = max(1, steps // 20)
    return min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm)))


def _width_of(session: Any) -> int:
    return next(int(out.shape[2]) for out in session.get_outputs() if out.name == "states")
