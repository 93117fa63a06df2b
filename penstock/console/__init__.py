"""The read-only web page: lines, machines, live values, KPIs and open alerts.

A thin reader of topics: it keeps the newest values in memory and nothing else, so that it can be
killed and started anywhere. It writes to no topic and to no device.
"""
