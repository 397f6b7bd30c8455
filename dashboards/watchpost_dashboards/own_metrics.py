"""What the collector measures of itself, read from the metrics it stores.

Counters and histograms count since the collector's start: two points of a series are subtracted. It
knows the shape of metric rows, and no metric by name.
"""

_OF_ITSELF = "project = 'watchpost' AND service = 'watchpost-collector'"
_NAMED = f"{_OF_ITSELF} AND name = '{{name}}' AND $__timeFilter(time)"
# Without a point before it a point counts from its start, if that lies in the time chosen.
_MORE = """if(before IS NULL, if(start >= $__fromTime, value, 0), greatest(value - before, 0))"""
_BEFORE = "lagInFrame({}) OVER (PARTITION BY m.series, m.start ORDER BY m.time)"


def _label(label: str) -> str:
    return f"m.attributes['{label}']" if label else "''"


def read_gauge(name: str, label: str = "", shown: str = "value") -> str:
    """The highest value in each interval, a series for each value of the label."""
    series = f"{_label(label)} AS series, " if label else ""
    by = "at, series" if label else "at"
    return f"""SELECT at AS time, {"series, " if label else ""}{shown} FROM (
  SELECT $__timeInterval(m.time) AS at, {series}max(m.value) AS {shown}
  FROM watchpost.metrics AS m
  WHERE {_NAMED.format(name=name)}
  GROUP BY {by}
)
ORDER BY time"""  # noqa: S608


def read_now(name: str) -> str:
    """The newest value, summed over the labels."""
    return f"""SELECT sum(newest) AS value FROM (
  SELECT argMax(m.value, m.time) AS newest
  FROM watchpost.metrics AS m
  WHERE {_NAMED.format(name=name)}
  GROUP BY m.series
)
HAVING count() > 0"""  # noqa: S608


def read_highest(name: str) -> str:
    """The highest value in the time chosen."""
    return f"""SELECT max(m.value) AS value
FROM watchpost.metrics AS m
WHERE {_NAMED.format(name=name)}
HAVING count() > 0"""  # noqa: S608


def _steps(name: str, label: str) -> str:
    return f"""SELECT at, series, {_MORE} AS more FROM (
    SELECT $__timeInterval(m.time) AS at, {_label(label)} AS series, m.value AS value,
      m.start AS start, {_BEFORE.format("m.value")} AS before
    FROM watchpost.metrics AS m
    WHERE {_NAMED.format(name=name)}
  )"""  # noqa: S608


def read_counter(name: str, label: str = "", where: str = "", shown: str = "added") -> str:
    """What was added in each interval, a series for each value of the label."""
    also = f"\nWHERE {where}" if where else ""
    return f"""SELECT at AS time, {"series, " if label else ""}sum(more) AS {shown} FROM (
  {_steps(name, label)}
){also}
GROUP BY at{", series" if label else ""}
ORDER BY time"""  # noqa: S608


def read_added(name: str, label: str = "", where: str = "") -> str:
    """What was added in the time chosen."""
    also = f"\nWHERE {where}" if where else ""
    return f"""SELECT sum(more) AS added FROM (
  {_steps(name, label)}
){also}
HAVING count() > 0"""  # noqa: S608


def read_quantile(name: str, level: float = 0.95) -> str:
    """The bound in seconds that so large a share of an interval's measurements stays below."""
    return f"""SELECT at AS time,
  if(bounds[1] IS NULL OR arraySum(counts) <= 0, NULL, bounds[least(length(bounds),
    arrayFirstIndex(c -> c >= {level} * arraySum(counts), arrayCumSum(counts)))]) AS seconds
FROM (
  SELECT at, any(bounds) AS bounds, sumForEach(more) AS counts FROM (
    SELECT $__timeInterval(m.time) AS at, m.bounds AS bounds, m.start AS start,
      {_BEFORE.format("m.buckets")} AS before,
      arrayMap((now, then) -> toInt64(now) - toInt64(then), m.buckets,
        arrayResize(before, length(m.buckets))) AS more
    FROM watchpost.metrics AS m
    WHERE {_NAMED.format(name=name)}
  )
  WHERE notEmpty(before) OR start >= $__fromTime
  GROUP BY at
)
ORDER BY time"""  # noqa: S608
