from __future__ import annotations

from watchpost.serving.histogram import Histogram


def test_a_value_falls_under_the_first_bound_it_does_not_exceed() -> None:
    histogram = Histogram((0.1, 1.0))

    for seconds in (0.05, 0.1, 0.5, 3.0):
        histogram.observe(seconds)

    found = histogram.read()
    assert found.counts == (2, 1, 1)
    assert found.count == 4
    assert abs(found.total_s - 3.65) < 1e-9
