"""Files of history: read, and replayed to Kafka or from a server, as if it happened now.

`table` reads files, `reel` holds what a replay shows and when each row is due, `note` remembers how
far it came, `to_kafka` publishes it, exactly once. `serving` shows it through a real server:
`opcua_server` or `modbus_server`.
"""
