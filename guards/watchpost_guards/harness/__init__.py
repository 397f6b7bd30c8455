"""What proves a guard: labelled data in, measures, thresholds, attacks and a report out.

It asks guards through the protocol every guard keeps and does not know how any of them works.
"""
