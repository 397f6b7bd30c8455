"""Dashboards as code: Python in, Grafana JSON out. Knows the reading views of the store by name,
and nothing of the collector that fills them."""
