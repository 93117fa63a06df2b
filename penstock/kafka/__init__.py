"""Kafka as Penstock uses it: clients, topics by contract, dead letters, the registry."""
