"""MQTT: subscribes to a broker and reads JSON or Sparkplug B payloads.

```yaml
sources:
  cell_broker:
    type: mqtt
    url: mqtts://192.168.0.20:8883      # or mqtt://host:1883, without TLS
    version: "5"                        # or 3.1.1
    user: penstock
    password: ${file:secrets/broker}
    tls: {ca: certs/broker-ca.pem}      # certificate and key, if the broker wants ours
    payload: json
    mapping:
      topic: plant/{line}/{machine}     # addresses fill what is in braces
      value: "{signal}.value"
      time: "{signal}.time"
      time_unit: ms                     # iso, s, ms, us, ns
      quality: "{signal}.quality"
      good: [good, 192]
    tags: tags/cell.csv
```

With a template, a tag's address holds what its names stand for, in the order in which they come
first: `line1/press07/force` above. Without one it is the topic itself, and behind a `#` the path of
the value: `plant/line1/press07#force.value`. A path goes by keys and indexes (`motor[0].current`),
through every element of an array (`samples[*].v`, with `samples[*].t` as the time), or to the
element of an array that has a name (`metrics[name=force].value`). An empty path is the payload: a
number, `true`, or a text. What a payload leaves out is no sample. `type` is `number`, `bool` or
`string`; with it a number written as a text is a number.

**Times** are the payload's where `time` names one, else of receipt. **Retained** messages are old
by nobody knows how much: their values are `UncertainLastUsableValue`, at the payload's time, once;
`retained: good` takes them as they are, for devices that retain their state, `skip` leaves them
away. A payload that is no JSON is a bad sample for each tag of its topic, counted and named; a
value, time or array that does not fit is bad or uncertain by itself; all else goes on. A tag of
which nothing has come within `stale_after` is flagged `BadWaitingForInitialData` and named: a topic
that nobody publishes is no error to a broker.

With **QoS 1** a message is acknowledged once Kafka has it, and the broker keeps our session for
`session_expiry`, so that nothing is lost while we are away; what it sends again is recognised by
the payload's time. `clean_start: true` forgets the session. With QoS 0 what comes while we are away
is lost. Many brokers send few messages before they want an acknowledgement (mosquitto 20:
`max_inflight_messages`); that bounds the rate. With JSON nothing is ever published.

**Sparkplug B** (3.0.0), as a host application:

```yaml
sources:
  cell_broker:
    type: mqtt
    url: mqtt://192.168.0.20:1883
    payload: sparkplug-b
    group: Stamping
    sparkplug: {host_id: penstock, state: true, rebirth: true, rebirth_pause: 10 s}
    tags: tags/packer01.csv
```

An address is `node/device/metric`, or `node//metric` for a metric of the edge node itself. Births
define names, aliases and datatypes; a metric's time stamp, null, and the property `Quality` are
kept. When an edge node or a device dies, its tags are flagged `BadNoCommunication`; a death of an
earlier session (by `bdSeq`) is ignored. A gap in the sequence, data before a birth, an alias that
no birth told and a malformed payload are named, and the edge node is asked to be born again: at
most once per `rebirth_pause`, twice as long each time while no birth comes. An edge node that lives
vouches for values that do not change, so that they are not stale. Metrics marked `is_historical`
(stored while the edge node was offline) are history: they come behind current values with their own
times, windows take them as late samples, and no flag takes them for the current value.

Two kinds of message are published, and nothing else: `STATE`, which says that we are online, and
the rebirth request, which changes no value; it is counted apart from writes, in
`penstock_connector_rebirth_requests_total`. `state: false` and `rebirth: false` switch them off.
"""

from connectors.mqtt.connector import MqttConnector
from connectors.mqtt.settings import MqttSettings

__all__ = ["MqttConnector", "MqttSettings"]
