"""Streams: Kafka to Kafka. Processors put pure operators between topics; the host runs them."""
