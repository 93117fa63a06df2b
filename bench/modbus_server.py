"""A Modbus/TCP server for benchmarks: `python -m bench.modbus_server PORT DELAY_MS`.

Each holding register holds its address. It answers after DELAY_MS, as a device would, to as many
connections as come, and prints `ready`. A bare TCP server, so that it is not the slower part.
"""

import asyncio
import struct
import sys


class Device(asyncio.Protocol):
    """One connection."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._left = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        data = self._left + data
        while len(data) >= 12:
            number, _, _, unit, function, start, count = struct.unpack(">HHHBBHH", data[:12])
            data = data[12:]
            content = struct.pack(f">{count}H", *range(start, start + count))
            head = struct.pack(">HHHBBB", number, 0, len(content) + 3, unit, function, len(content))
            if self._delay:
                asyncio.get_running_loop().call_later(self._delay, self._answer, head + content)
            else:
                self._answer(head + content)
        self._left = data

    def _answer(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


async def serve(port: int, delay: float) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: Device(delay), "127.0.0.1", port
    )
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 1e3))
