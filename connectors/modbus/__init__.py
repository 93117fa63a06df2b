"""Modbus over TCP, with Modbus/TCP frames or RTU frames. Reads only, never writes.

```yaml
sources:
  utilities:
    type: modbus
    host: 192.168.0.17
    framing: tcp            # or rtu-over-tcp
    addressing: modicon     # 40001 is the first holding register; or zero-based, hr:0
    poll: 1 s               # of tags that name none
    limits: {connections: 1, registers_per_read: 60, gap: 8, pause: 20 ms, timeout: 1 s}
    clock: {address: "40001", type: uint64, resolution: 1 us}    # where the device has one
    tags: tags/utilities.csv
```
```csv
asset,tag,address,type,order,scale,offset,unit,poll
stamping/line1/pump03,motor_current,1/40021,float32,CDAB,1,0,A,500 ms
stamping/line1/pump03,running,1/40030.3,bit,,,,,
stamping/line1/pump03,lot,1/40040,string:16,,,,,
```

How addresses, types and orders are written: `connectors/modbus/registers.py`. All settings:
`connectors/modbus/settings.py`. Neighbouring tags that are polled equally often share a request. A
request that the device refuses or does not answer costs each tag in it one bad sample, and nothing
else; one refused for an illegal address is split until only the tags that the device does not have
are bad. The link counts as lost when it cannot be opened, or when a request that was answered
before is not answered any more, after others were not.

With `clock`, a sample's source time is the device's; of a block whose clock has not moved since it
was last read only tags that changed give samples, so polling faster than the device's cycle loses
nothing and doubles nothing. Blocks too far from the clock to share a request with it, and all of a
device without one, take the middle of request and answer; bad samples, what the clock said then.
"""

from connectors.modbus.connector import ModbusConnector
from connectors.modbus.settings import ModbusSettings

__all__ = ["ModbusConnector", "ModbusSettings"]
