"""Learning the upper layers and the heads from cached states, and judging texts with them.

A text's logit is that of its worst window, in training as at run time. What a set does not say
about a column costs nothing. It does not know where texts come from or what columns mean.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from watchpost_guards.train.encoder import Encoder
from watchpost_guards.train.states import States

_BATCH_TOKENS = 2560
_CLIP = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How to learn: layers kept frozen, passes over the data, rates, and the longest it may take.

    `minutes` bounds one fit: passes that would end later are not begun. `drop` is the share of
    tokens hidden from a window each time it is learned from. No target is surer than `smooth`
    from certainty: labels are people's.
    """

    frozen: int = 4
    epochs: int = 4
    layer_rate: float = 1e-4
    head_rate: float = 2e-3
    drop: float = 0.1
    smooth: float = 0.03
    minutes: float = 40.0
    seed: int = 1


def fit(
    encoder: Encoder,
    states: States,
    targets: Tensor,
    weights: Tensor,
    plan: Plan,
    tell: Callable[[str], None],
) -> None:
    """Train in place. `weights` is zero where a text says nothing about a column."""
    torch.manual_seed(plan.seed)
    rng = random.Random(plan.seed)  # noqa: S311 - an order to learn in
    windows = _windows_of(states, len(targets))
    learned = [number for number in range(len(targets)) if bool((weights[number] > 0).any())]
    batches = _batch(states, windows, learned, rng)
    targets = targets * (1 - 2 * plan.smooth) + plan.smooth
    optimiser = torch.optim.AdamW(_groups(encoder, plan), weight_decay=0.01)
    steps = plan.epochs * len(batches)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps))
    began = time.monotonic()
    encoder.train()
    for epoch in range(plan.epochs):
        spent = (time.monotonic() - began) / 60
        if epoch and spent * (epoch + 1) / epoch > plan.minutes:
            tell(f"stopped after {epoch} of {plan.epochs} passes: {plan.minutes} minutes are up")
            break
        total = 0.0
        for batch in batches:
            logits = _judge(encoder, states, [windows[n] for n in batch], plan.frozen, plan.drop)
            losses = functional.binary_cross_entropy_with_logits(
                logits, targets[batch], reduction="none"
            )
            loss = (losses * weights[batch]).sum() / len(batch)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(encoder.parameters(), _CLIP)
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        batches = _batch(states, windows, learned, rng)[: len(batches)]
        minutes = (time.monotonic() - began) / 60
        tell(f"pass {epoch + 1}: loss {total / len(batches):.4f}, {minutes:.1f} minutes")
    encoder.eval()


def judge(encoder: Encoder, states: States, count: int, frozen: int) -> NDArray[numpy.float64]:
    """One row of logits for each of `count` texts."""
    windows = _windows_of(states, count)
    answer = numpy.zeros((count, encoder.bias.shape[0]))
    encoder.eval()
    with torch.inference_mode():
        for batch in _batch(states, windows, range(count), random.Random(0)):  # noqa: S311
            logits = _judge(encoder, states, [windows[n] for n in batch], frozen, 0.0)
            answer[batch] = logits.double().numpy()
    return answer


def _groups(encoder: Encoder, plan: Plan) -> list[dict[str, object]]:
    for parameter in encoder.parameters():
        parameter.requires_grad_(False)
    heads = [
        *(encoder.query, encoder.weight, encoder.bias),
        *(encoder.bend_found, encoder.bend_mean, encoder.bend_bias, encoder.bent),
    ]
    layers = [p for layer in encoder.layers[plan.frozen :] for p in layer.parameters()]
    for parameter in [*heads, *layers]:
        parameter.requires_grad_(True)
    groups: list[dict[str, object]] = [{"params": heads, "lr": plan.head_rate}]
    return [*groups, {"params": layers, "lr": plan.layer_rate}] if layers else groups


def _rate(step: int, steps: int) -> float:
    """Up over the first twentieth, then down to nothing."""
    warm = max(1, steps // 20)
    return min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm)))


def _windows_of(states: States, count: int) -> list[list[int]]:
    windows: list[list[int]] = [[] for _ in range(count)]
    for window, owner in enumerate(states.owners.tolist()):
        windows[owner].append(window)
    return windows


def _batch(
    states: States, windows: Sequence[Sequence[int]], texts: Sequence[int], rng: random.Random
) -> list[list[int]]:
    """Texts of about the same length together, the batches in any order."""
    lengths = {text: max(states.length(window) for window in windows[text]) for text in texts}
    order = sorted(texts, key=lambda text: lengths[text] * (1 + 0.1 * rng.random()))
    batches: list[list[int]] = []
    held = longest = 0
    for text in order:
        longest = max(longest, lengths[text])
        if not batches or (held + len(windows[text])) * longest > _BATCH_TOKENS:
            batches.append([])
            held, longest = 0, lengths[text]
        batches[-1].append(text)
        held += len(windows[text])
    rng.shuffle(batches)
    return batches


def _judge(
    encoder: Encoder,
    states: States,
    windows: Sequence[Sequence[int]],
    frozen: int,
    drop: float,
) -> Tensor:
    flat = torch.tensor([window for of_text in windows for window in of_text])
    owners = torch.tensor([row for row, of_text in enumerate(windows) for _ in of_text])
    begin, end = states.starts[flat], states.starts[flat + 1]
    places = torch.arange(int((end - begin).max()))
    mask = places[None, :] < (end - begin)[:, None]
    taken = states.tokens[(begin[:, None] + places).clamp(max=len(states.tokens) - 1)]
    if drop:
        # The first token, the encoder's own, always stays: a window is never empty.
        mask = mask & ((torch.rand(mask.shape) >= drop) | (places == 0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        above = encoder.climb(taken, mask, frozen, len(encoder.layers))
    logits = encoder.judge(above.float(), mask)
    worst = torch.full((len(windows), logits.shape[1]), -torch.inf)
    return worst.scatter_reduce(0, owners[:, None].expand_as(logits), logits, "amax")
