"""Connectors: field to Kafka, one file per protocol. They import only `penstock` and `schemas`."""
