"""A customer-support assistant: it routes tickets, summarises long ones and drafts replies.

Written as a user of watchpost would write it, with the real clients and nothing made for the demo:
`patch` the clients once, put `@observe` on the functions worth seeing, name the prompt versions,
and handle `Blocked` on purpose. It does not know who answers at the other end.
"""

from __future__ import annotations

import json
from typing import Any

from anthropic import Anthropic
from openai import OpenAI

from watchpost import Blocked, Verdict, current, observe, patch
from watchpost.screening.guard import Question
from watchpost_collector.demo.tickets import Ticket

ROUTER = "claude-haiku-4-5"
SUMMARISER = "gpt-5-mini"
WRITER = "gpt-4.1-mini"
EXPERT = "claude-sonnet-4-6"

HANDBOOK = """House rules of Northlight, maker of lamps and desks.
Orders can be changed until they are packed. A parcel that has not moved for four working days
counts as lost: we send a new one or give the money back, as the customer likes. Returns are free
for thirty days; the money is back on the card five working days after the parcel reached us. Twice
charged is refunded the same day. Accounts are moved to a new address only after the old one has
confirmed. Lamps flicker when the dimmer is older than 2019: firmware 4.2 cures that. The desk
carries 120 kg. Invoices are corrected within the month. Never promise a date, never ask for a card
number or a password, never discuss another customer."""

PROMPTS = {
    "v1": "You answer support tickets. Be polite and short.\n\n" + HANDBOOK,
    "v2": "You answer support tickets. First sentence: what happens next. Then the reason, in one "
    "sentence. Be warm, be brief.\n\n" + HANDBOOK,
    "v3": "You answer support tickets. Explain every rule that applies in full, quote it, weigh "
    "alternatives, and decline whatever the rules do not clearly allow.\n\n" + HANDBOOK,
}
ROUTING = (
    "You route support tickets. Answer with JSON: topic, and solvable (true if the house rules "
    "settle it, false if a person must decide)."
)
SUMMARY = "You summarise support threads in two sentences for a colleague who takes over."
# A ticket's opening says where it belongs.
ROUTED_CHARACTERS = 300

ORDER_TOOL = {
    "type": "function",
    "function": {
        "name": "look_up_order",
        "description": "Where an order is and what was paid for it.",
        "parameters": {
            "type": "object",
            "properties": {"order": {"type": "string"}},
            "required": ["order"],
        },
    },
}


class RefusalGuard:
    """A guard of our own: flags replies that turn the customer away."""

    name = "refusal"
    revision = "1"
    pure = True
    _phrases = ("i can't help with", "i am not able to", "i'm sorry, but i cannot")

    def check(self, question: Question) -> Verdict:
        refused = any(phrase in question.text.lower() for phrase in self._phrases)
        return Verdict(self.name, "refusal", float(refused), tripped=refused)


class Assistant:
    """Handles tickets with two providers' clients; `version` of the reply prompt is per ticket."""

    def __init__(self, openai: OpenAI, anthropic: Anthropic) -> None:
        self._openai = patch(openai)
        self._anthropic = patch(anthropic)

    @observe("handle ticket")
    def handle(self, ticket: Ticket, version: str) -> str | None:
        """The reply to send, or None when a person has to take over."""
        current().set(
            session=ticket.number, user=ticket.customer, plan=ticket.plan, topic=ticket.topic
        )
        try:
            if not self.route(ticket):
                return self.hand_over(ticket, "a person must decide")
            notes = self.summarise(ticket) if len(ticket.thread) > 1 else ""
            return self.draft(ticket, version, notes)
        except Blocked as blocked:
            return self.hand_over(ticket, str(blocked))

    def route(self, ticket: Ticket) -> bool:
        """Whether the assistant can solve the ticket by itself."""
        current().set(prompt="route", version="v1")
        reply = self._anthropic.messages.create(
            model=ROUTER,
            max_tokens=100,
            system=ROUTING,
            messages=[{"role": "user", "content": ticket.body[:ROUTED_CHARACTERS]}],
        )
        said = "".join(block.text for block in reply.content if block.type == "text")
        return bool(json.loads(said).get("solvable"))

    def summarise(self, ticket: Ticket) -> str:
        """What happened so far, for the one who answers."""
        current().set(prompt="summarise", version="v1")
        thread = "\n".join((*ticket.thread, ticket.body))
        reply = self._openai.responses.create(model=SUMMARISER, instructions=SUMMARY, input=thread)
        return reply.output_text

    def draft(self, ticket: Ticket, version: str, notes: str) -> str:
        """The reply; business customers get the larger model."""
        asked = f"{notes}\n\n{ticket.body}".strip()
        current().set(prompt="reply", version=version)
        if ticket.plan == "business":
            return self._draft_as_expert(asked, version)
        messages: list[Any] = [
            {"role": "system", "content": PROMPTS[version]},
            {"role": "user", "content": asked},
        ]
        if ticket.topic == "delivery":
            messages += self._with_order(messages)
        stream = self._openai.chat.completions.create(
            model=WRITER,
            messages=messages,
            stream=True,
            stream_options={"include_usage": True},
        )
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)

    def _draft_as_expert(self, asked: str, version: str) -> str:
        with self._anthropic.messages.stream(
            model=EXPERT,
            max_tokens=1000,
            system=PROMPTS[version],
            messages=[{"role": "user", "content": asked}],
        ) as stream:
            return "".join(stream.text_stream)

    def _with_order(self, messages: list[Any]) -> list[Any]:
        """Lets the model look the order up, if it wants to, before it writes."""
        reply = self._openai.chat.completions.create(
            model=WRITER,
            messages=messages,
            tools=[ORDER_TOOL],  # type: ignore[list-item]
        )
        calls = reply.choices[0].message.tool_calls or []
        more: list[Any] = [reply.choices[0].message.model_dump(exclude_none=True)] if calls else []
        for call in calls:
            if call.type == "function":
                found = look_up_order(**json.loads(call.function.arguments))
                more.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(found)})
        return more

    @observe("hand over", kind="tool")
    def hand_over(self, ticket: Ticket, reason: str) -> None:
        """Puts the ticket into a person's queue."""


@observe("look_up_order", kind="tool")
def look_up_order(order: str) -> dict[str, Any]:
    """What the shop knows of an order."""
    days = sum(map(ord, order)) % 6
    return {"order": order, "state": "with the courier", "days_without_scan": days}
