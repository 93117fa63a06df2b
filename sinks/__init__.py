"""Sinks: Kafka to the outside. They import only `penstock` and `schemas`."""
