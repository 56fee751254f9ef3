"""The meters of test/cases/profiles behind pymodbus: unit 1 has the registers of the first table by name, unit 2 those of the second, and so on.

Usage: pymodbus-meters.py tcp|rtu-over-tcp HOST PORT [only]
       pymodbus-meters.py rtu PATH [only]

Registers between and around those of a table are 0; with `only` they are refused. Prints `ready` when it serves; ends by itself after two minutes, or when its standard
input does. Nothing of this project's code takes part.
"""
import asyncio
import csv
import glob
import os
import sys

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

TABLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cases", "profiles", "*.csv")
LIFETIME_S = 120
# Registers on both sides of what a table names.
AROUND = 200


def registers(path):
    """Of both tables of registers, by the address of the protocol."""
    held = {"holding": {}, "input": {}}
    with open(path, encoding="utf-8") as file:
        file.readline()
        for row in csv.DictReader(file):
            for at, word in enumerate(row["words"].split()):
                held[row["table"]][int(row["address"], 0) + at] = int(word, 16)
    return held


def block(words, only):
    """Registers in runs without gaps."""
    if not words:
        return [SimData(0, values=[0], datatype=DataType.REGISTERS)]
    if only:
        known = sorted(words)
        starts = [at for at in known if at - 1 not in words]
        ends = [at for at in known if at + 1 not in words]
    else:
        starts, ends = [max(0, min(words) - AROUND)], [min(65535, max(words) + AROUND)]
    return [
        SimData(start, values=[words.get(at, 0) for at in range(start, end + 1)], datatype=DataType.REGISTERS)
        for start, end in zip(starts, ends)
    ]


def meters(only):
    bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    devices = []
    for unit, path in enumerate(sorted(glob.glob(TABLES), key=os.path.basename), start=1):
        held = registers(path)
        words = block(held["holding"], only), block(held["input"], only)
        devices.append(SimDevice(unit, simdata=(bits, bits, *words)))
    return devices


async def stdin_ends():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


async def main(how, *where):
    only = where[-1] == "only"
    context = meters(only)
    if how == "rtu":
        server = ModbusSerialServer(context, framer=FramerType.RTU, port=where[0], baudrate=115200, parity="N")
    else:
        framer = FramerType.SOCKET if how == "tcp" else FramerType.RTU
        server = ModbusTcpServer(context, framer=framer, address=(where[0], int(where[1])))
    await server.serve_forever(background=True)
    print("ready", flush=True)
    try:
        await asyncio.wait_for(stdin_ends(), LIFETIME_S)
    except asyncio.TimeoutError:
        pass
    await server.shutdown()


asyncio.run(main(*sys.argv[1:]))
