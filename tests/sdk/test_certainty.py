"""Log-probabilities as providers spell them, and the place each token has in the answer."""

from __future__ import annotations

from typing import Any

import pytest
from openai_calls import CHUNK, chat_reply, usage_of
from wire_server import WireServer, sse_reply

import watchpost
from watchpost.inquiry import place_tokens
from watchpost.providers.certainty import read_tokens
from watchpost.screening.guard import TokenScore
from watchpost.testing.guards import FakeGuard

TWO = [{"token": "It is", "logprob": -0.5}, {"token": " 14", "logprob": -1.5}]
READ = [[(b"It is", -0.5), (b" 14", -1.5)]]


@pytest.mark.parametrize(
    "pieces",
    [
        [{"choices": [{"logprobs": {"content": TWO}}]}],
        [{"choices": [{"logprobs": {"content": [token]}}]} for token in TWO],
        [{"choices": [{"logprobs": {"tokens": ["It is", " 14"], "token_logprobs": [-0.5, -1.5]}}]}],
        [{"output": [{"content": [{"logprobs": TWO}]}]}],
        [
            *({"type": "response.output_text.delta", "logprobs": [token]} for token in TWO),
            {"type": "response.output_text.done", "logprobs": TWO},
            {"type": "response.completed", "response": {"output": [{"content": TWO}]}},
        ],
        [
            {
                "candidates": [
                    {
                        "logprobsResult": {
                            "chosenCandidates": [
                                {"token": token["token"], "logProbability": token["logprob"]}
                                for token in TWO
                            ]
                        }
                    }
                ]
            }
        ],
        [{"message": {"content": "It is 14"}, "logprobs": TWO}],
        [
            {"type": "content-delta", "logprobs": {"text": t["token"], "logprobs": [t["logprob"]]}}
            for t in TWO
        ],
    ],
    ids=["chat", "chunks", "completion", "response", "events", "gemini", "ollama", "cohere"],
)
def test_tokens_are_read_however_a_provider_spells_them(pieces: list[Any]) -> None:
    assert read_tokens(pieces) == READ


def test_nothing_is_read_where_nothing_is_told() -> None:
    assert read_tokens([{"choices": [{"message": {"content": "x"}}]}, {"type": "ping"}, {}]) == []


def test_a_character_cut_in_two_tokens_stands_at_the_second() -> None:
    cut = "é".encode()
    placed = place_tokens("aé", [(b"a", -1.0), (cut[:1], -2.0), (cut[1:], -3.0), (b"</s>", 0.0)])
    assert placed == (TokenScore(0, 1, -1.0), TokenScore(1, 1, -2.0), TokenScore(1, 2, -3.0))


@pytest.mark.parametrize("spelled", [[b"another"], [b"tex"], []])
def test_tokens_that_do_not_spell_the_text_have_no_place(spelled: list[bytes]) -> None:
    assert place_tokens("text", [(token, -1.0) for token in spelled]) == ()


def test_each_of_several_answers_comes_with_its_own_tokens_and_with_the_others(
    connect: Any, wire: WireServer, recorder: Any
) -> None:
    guard = FakeGuard("gate")
    recorder.install(policy=watchpost.Policy(flag=[guard]))
    choices = [
        {
            "index": index,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": text},
            "logprobs": {"content": [{"token": text, "logprob": logprob, "top_logprobs": []}]},
        }
        for index, (text, logprob) in enumerate([("yes", -0.5), ("no", -1.5), ("yes", -0.5)])
    ]
    wire.answer(chat_reply({}, usage_of(10, 3), choices=choices))
    connect().chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "Is it?"}], n=3, logprobs=True
    )
    answers = [question for question in guard.asked if question.direction == "output"]
    assert [question.samples for question in answers] == [
        ("no", "yes"),
        ("yes", "yes"),
        ("no", "yes"),
    ]
    assert [question.tokens for question in answers[:2]] == [
        (TokenScore(0, 3, -0.5),),
        (TokenScore(0, 2, -1.5),),
    ]


@pytest.mark.parametrize("action", ["flag", "block"])
def test_a_stream_tells_its_tokens_when_it_is_whole(
    connect: Any, wire: WireServer, recorder: Any, action: str
) -> None:
    guard = FakeGuard("gate")
    recorder.install(policy=watchpost.Policy(**{action: [guard]}))
    chunks = [
        {
            **CHUNK,
            "choices": [
                {
                    "index": 0,
                    "delta": {"content": token["token"]},
                    "logprobs": {"content": [{**token, "top_logprobs": []}]},
                }
            ],
        }
        for token in TWO
    ]
    wire.answer(sse_reply(chunks, done=True))
    asked: Any = [{"role": "user", "content": "How warm is it?"}]
    for _ in connect().chat.completions.create(
        model="gpt-4o", messages=asked, stream=True, logprobs=True
    ):
        pass
    assert guard.asked[-1].tokens == (TokenScore(0, 5, -0.5), TokenScore(5, 8, -1.5))
