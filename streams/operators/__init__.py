"""Pure operators: parameters, state and update; no Kafka, no clock, no I/O."""
