"""Between bytes and records: Confluent framing, Avro, and the fast path for SensorEvent."""
