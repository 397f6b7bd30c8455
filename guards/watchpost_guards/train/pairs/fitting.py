"""Learning pairs: an answer is wrong as soon as one of its words is.

The chance that an answer is right is the product of its tokens' chances, in training as at run
time. Where it is known which words are right, or wrong, they are learned from one by one. It does
not know where answers come from.
"""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from watchpost_guards.train.pairs.lessons import NOTHING, WRONG, Claim, Lesson
from watchpost_guards.train.pairs.network import SCALARS, Network, lay_beside

_BATCH_TOKENS = 1024
_CLIP = 1.0
_KNOWN_SHARE = 1.0
# Word for word an answer says hundreds of times that it is right; wrong words weigh more.
_WRONG_WEIGHT = 4.0


class Shelf:
    """The states of all texts and, for every claim's tokens in a row, what lies beside them."""

    def __init__(self, states: Tensor, lessons: Sequence[Lesson]) -> None:
        claims = [claim for lesson in lessons for claim in lesson.claims]
        ends = numpy.cumsum([0, *(len(claim.tokens) for claim in claims)]).tolist()
        self._starts = {id(claim): start for claim, start in zip(claims, ends, strict=False)}
        size = states.shape[1]
        self.states = states
        self.like = torch.empty(ends[-1], size, dtype=torch.bfloat16)
        self.there = torch.empty(ends[-1], size, dtype=torch.bfloat16)
        self.told = torch.empty(ends[-1], SCALARS)
        with torch.inference_mode():
            for claim, start in zip(claims, ends, strict=False):
                mine, theirs = (states[n].float()[None] for n in (claim.tokens, claim.evidence))
                like, there, told = lay_beside(mine, theirs)
                rows = slice(start, start + len(claim.tokens))
                self.like[rows], self.there[rows] = like[0], there[0]
                self.told[rows] = told[0]

    def rows(self, claim: Claim) -> NDArray[numpy.int64]:
        """Where what lies beside a claim's tokens stands."""
        start = self._starts[id(claim)]
        return numpy.arange(start, start + len(claim.tokens))


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast to learn. `minutes` bounds the passes over `lessons`."""

    epochs: int = 2
    rate: float = 1.5e-4
    minutes: float = 10.0
    seed: int = 1


def fit(
    network: Network,
    shelf: Shelf,
    lessons: Sequence[Lesson],
    plan: Plan,
    tell: Callable[[str], None],
) -> None:
    """Train in place for the plan's passes, or until its minutes are up."""
    torch.manual_seed(plan.seed)
    rng = random.Random(plan.seed)  # noqa: S311 - an order to learn in
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.rate, weight_decay=0.05)
    batches = [b for _ in range(plan.epochs) for b in _batch(lessons, rng)]
    began = time.monotonic()
    network.train()
    total, seen = 0.0, 0
    for number, batch in enumerate(batches):
        spent = (time.monotonic() - began) / 60
        done = max(number / len(batches), spent / plan.minutes)
        if done >= 1:
            tell(f"stopped after {number} of {len(batches)} steps: {plan.minutes} minutes are up")
            break
        # The rate follows whichever is nearer its end, so that time up is learned to the end too.
        share = min(1.0, (number + 1) / 50) * (1 - done)
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * share
        loss = _weigh(network, shelf, [lessons[n] for n in batch])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
        optimiser.step()
        total, seen = total + float(loss.detach()), seen + 1
        if seen == 100:
            tell(f"{number + 1} of {len(batches)} steps, loss {total / seen:.4f}, {spent:.1f} min")
            total, seen = 0.0, 0
    network.eval()


def judge(network: Network, shelf: Shelf, lessons: Sequence[Lesson]) -> NDArray[numpy.float64]:
    """Each answer's logit: that of its most doubtful claim, as at run time."""
    answer = numpy.zeros(len(lessons))
    network.eval()
    with torch.inference_mode():
        for batch in _batch(lessons, random.Random(0)):  # noqa: S311
            logits, claimed, owners = _read(network, shelf, [lessons[n] for n in batch])
            claims = _join(logits, claimed, torch.arange(len(owners)), len(owners))
            worst = torch.full((len(batch),), -torch.inf)
            worst = worst.scatter_reduce(0, owners, claims, "amax")
            answer[batch] = worst.double().numpy()
    return answer


def _weigh(network: Network, shelf: Shelf, lessons: Sequence[Lesson]) -> Tensor:
    logits, claimed, owners = _read(network, shelf, lessons)
    joined = _join(logits, claimed, owners, len(lessons))
    wrong = torch.tensor([float(lesson.wrong) for lesson in lessons])
    whole = functional.binary_cross_entropy_with_logits(joined, wrong)
    known, _ = _stack([claim.known for lesson in lessons for claim in lesson.claims])
    told = claimed & (known != NOTHING)
    if not bool(told.any()):
        return whole
    targets = (known[told] == WRONG).float()
    each = functional.binary_cross_entropy_with_logits(
        logits[told], targets, 1 + (_WRONG_WEIGHT - 1) * targets
    )
    return whole + _KNOWN_SHARE * each


def _read(
    network: Network, shelf: Shelf, lessons: Sequence[Lesson]
) -> tuple[Tensor, Tensor, Tensor]:
    claims = [claim for lesson in lessons for claim in lesson.claims]
    owners = torch.tensor([row for row, lesson in enumerate(lessons) for _ in lesson.claims])
    tokens, claimed = _stack([claim.tokens for claim in claims])
    kinds, _ = _stack([claim.kinds for claim in claims])
    rows, _ = _stack([shelf.rows(claim) for claim in claims])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(
            *(shelf.states[tokens], shelf.like[rows], shelf.there[rows], shelf.told[rows]),
            *(kinds, claimed),
        )
    return logits.float(), claimed, owners


def _stack(rows: Sequence[NDArray[numpy.int64]]) -> tuple[Tensor, Tensor]:
    """Rows side by side, and where one has something."""
    stacked = numpy.zeros((len(rows), max(len(row) for row in rows)), dtype=numpy.int64)
    lengths = torch.tensor([len(row) for row in rows])
    for number, row in enumerate(rows):
        stacked[number, : len(row)] = row
    return torch.from_numpy(stacked), torch.arange(stacked.shape[1])[None, :] < lengths[:, None]


def _join(logits: Tensor, claimed: Tensor, owners: Tensor, count: int) -> Tensor:
    """The logit of "one of them is wrong" for tokens that are each wrong with its own logit."""
    right = (functional.logsigmoid(-logits) * claimed).sum(1)
    whole = torch.zeros(count).index_add(0, owners, right).clamp(max=-1e-6)
    return torch.log(-torch.expm1(whole)) - whole


def _batch(lessons: Sequence[Lesson], rng: random.Random) -> Iterable[list[int]]:
    """Lessons of about the same length together, the batches in any order."""
    lengths = [max(map(_weight_of, lesson.claims)) for lesson in lessons]
    order = sorted(range(len(lessons)), key=lambda n: lengths[n] * (1 + 0.1 * rng.random()))
    batches: list[list[int]] = []
    held = longest = 0
    for number in order:
        longest = max(longest, lengths[number])
        if not batches or (held + len(lessons[number].claims)) * longest > _BATCH_TOKENS:
            batches.append([])
            held, longest = 0, lengths[number]
        batches[-1].append(number)
        held += len(lessons[number].claims)
    rng.shuffle(batches)
    return batches


def _weight_of(claim: Claim) -> int:
    return len(claim.tokens)
