"""Alert rules that are run: evaluated on a schedule, remembered, and told to contacts.

The evaluator asks rules and decides what is to be told; the ledger keeps what was decided, and what
is still to be told, in one file; the courier tells it. What a rule says is known in `alerts`.
"""
