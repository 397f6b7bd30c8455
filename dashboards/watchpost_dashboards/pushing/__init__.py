"""Into a Grafana: data source, folder, dashboards, and alerts that somebody else compiled to SQL.

What things look like there is in `alerting`, the same as files in `alert_files`; `push` makes a
Grafana so, `connection` is the one door to it. Nothing here knows a rule file or a statistic.
"""
