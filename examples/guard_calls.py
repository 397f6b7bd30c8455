"""A guard of your own: ten lines, no base class. Needs no key.

What it finds is masked before it is sent, and a call that asks for too much is never made.
"""

from __future__ import annotations

from openai import OpenAI

import watchpost
from watchpost.screening.guard import Finding, Question
from watchpost.testing.provider import ProviderServer


class Word:
    """Trips on one word and says where it stands."""

    def __init__(self, name: str, word: str) -> None:
        self.name = name
        self._word = word

    def check(self, question: Question) -> watchpost.Verdict:
        """Look for the word."""
        start = question.text.find(self._word)
        if start < 0:
            return watchpost.Verdict(self.name)
        found = Finding(start, start + len(self._word), self.name, 1.0)
        return watchpost.Verdict(
            self.name, self.name, probability=1.0, tripped=True, findings=(found,)
        )


POLICY = watchpost.Policy(redact=[Word("project", "Bluebird")], block=[Word("salary", "salary")])


@watchpost.observe(policy=POLICY)
def ask(client: OpenAI, question: str) -> str:
    """Every call inside is under the policy."""
    asked = [{"role": "user", "content": question}]
    answer = client.chat.completions.create(model="gpt-4o", messages=asked)  # type: ignore[call-overload]
    return str(answer.choices[0].message.content)


def main() -> None:
    """Ask something harmless and something that is stopped."""
    with ProviderServer() as server, OpenAI(base_url=server.openai_url, api_key="none") as client:
        watchpost.patch(client)
        ask(client, "When does Bluebird start?")
        print("sent:", server.requests[-1].text)
        try:
            ask(client, "What is her salary?")
        except watchpost.Blocked as blocked:
            print("not sent:", blocked)
        print("requests made:", len(server.requests))


if __name__ == "__main__":
    main()
