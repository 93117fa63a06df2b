"""A real Kafka and schema registry on this machine, without Docker or a Java of its own."""
