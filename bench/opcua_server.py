"""An OPC UA server of many variables, for benchmarks.

`python -m bench.opcua_server PORT VARIABLES [CHANGES [history]]` serves on loopback without
security, so that what is measured is browsing and decoding, and prints `ready`. Variables lie in
folders of 100. With CHANGES, that many variables change in a second, each with its own source time;
with `history`, their values are kept.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime

from asyncua import Server, ua

PER_FOLDER = 100
TICK = 0.1
NAMESPACE = "urn:bench"


async def build(server: Server, variables: int) -> list[ua.NodeId]:
    """Add the variables; gives their ids."""
    index = await server.register_namespace(NAMESPACE)
    nodes = []
    for number in range(variables):
        if number % PER_FOLDER == 0:
            name = f"Machine{number // PER_FOLDER:04}"
            folder = await server.nodes.objects.add_folder(
                ua.NodeId(name, index), f"{index}:{name}"
            )
        name = f"Value{number:06}"
        variable = await folder.add_variable(ua.NodeId(name, index), f"{index}:{name}", 0.0)
        nodes.append(variable.nodeid)
    return nodes


async def change(server: Server, nodes: list[ua.NodeId], per_second: int) -> None:
    """Change variables in turn, as many in a second, until cancelled."""
    at, number = 0, 0.0
    begin, done = time.perf_counter(), 0
    while True:
        await asyncio.sleep(TICK)
        due = int((time.perf_counter() - begin) * per_second) - done
        now = datetime.now(UTC)
        for _ in range(min(due, len(nodes))):
            number += 0.5
            value = ua.DataValue(ua.Variant(number, ua.VariantType.Double), SourceTimestamp=now,
                                 ServerTimestamp=now)  # fmt: skip
            await server.iserver.aspace.write_attribute_value(
                nodes[at], ua.AttributeIds.Value, value
            )
            at = (at + 1) % len(nodes)
        done += due


async def serve(port: int, variables: int, per_second: int, *, history: bool) -> None:
    server = Server()
    server.iserver.disabled_clock = True
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/bench")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    nodes = await build(server, variables)
    async with server:
        for node in nodes if history else ():
            await server.iserver.enable_history_data_change(server.get_node(node))
        print("ready", flush=True)
        if per_second:
            await change(server, nodes, per_second)
        await asyncio.Event().wait()


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:4]]
    asyncio.run(serve(*[*numbers, 0][:3], history="history" in sys.argv[4:]))
