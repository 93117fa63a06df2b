"""OPC UA: subscribes to the values of one server.

```yaml
sources:
  press_plc:
    type: opcua
    url: opc.tcp://192.168.0.10:4840
    security:
      policy: Basic256Sha256      # or Aes256Sha256RsaPss, Aes128Sha256RsaOaep
      mode: SignAndEncrypt        # or Sign
      certificate: certs/client.der
      key: certs/client.pem
      trust: certs/trusted        # the servers' certificates, .der or .pem
      user: penstock
      password: ${file:secrets/press}
    subscription: {publish: 500 ms, sampling: 100 ms, queue: 20}
    tags: tags/press07.csv
```

A tag's address is its node id by namespace URI, `nsu=urn:acme:press;s=GoodCount`. An id by index,
`ns=2;s=GoodCount`, works too, but the index may mean another namespace once the server restarts.
`poll` is the sampling interval of one tag, `deadband` is watched by the server. Values are reported
when they change; a server is asked for every new source time, too, by
`subscription: {trigger: StatusValueTimestamp}`.

A server whose certificate is not in `trust` is refused, and its certificate kept in the folder
`rejected` beside it, to be compared and moved. The server must trust ours in turn. A link without
security is had by name only: `security: {policy: None, mode: None}`.

A node that the server refuses is a bad sample with the server's status, and is asked for again
every 30 s; the others flow. After a loss everything is made anew; a value that was seen before the
loss and has not changed is given once more, at the time of the new subscription, so that the gap
ends. Where the server keeps history, what was missed is read from it: `backfill`, 1 h. Nothing is
ever written. Status codes are kept, also where a queue overflowed in the server.
"""

from connectors.opcua.connector import OpcuaConnector
from connectors.opcua.settings import OpcuaSettings

__all__ = ["OpcuaConnector", "OpcuaSettings"]
