"""Connectors: field to Kafka, one file or package per protocol.

They import only `penstock` and `schemas`.
"""
