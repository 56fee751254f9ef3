#!/usr/bin/env python3
"""Makes line-load.jsonl: how full serial lines are, by walking through every second of a day and counting the characters of every frame.

Usage: python3 test/cases/modbus/line-load.py

No code of this project takes part. A character has 1 start bit, 8 data bits, the parity bit if there is one, and the stop bits; frames are kept apart by 3.5
characters, above 19200 baud by 1.75 ms (Modbus over Serial Line V1.02, 2.5.1.1). A meter begins its answer 10 ms after the silence that follows the request.
"""
import json
import os
from fractions import Fraction

DAY = 86_400


def line(name, baud, parity, stop, *devices):
    return {"name": name, "baudRate": baud, "parity": parity, "stopBits": stop, "devices": list(devices)}


def meters(count, *points, **settings):
    """Points: (address, registers, every in s)."""
    return {"count": count, "points": [list(point) for point in points], **settings}


LINES = [
    line("one register, one meter, once a second", 9600, "even", 1, meters(1, (0, 1, 1))),
    line("one register, no parity", 9600, "none", 1, meters(1, (0, 1, 1))),
    line("two stop bits", 9600, "none", 2, meters(1, (0, 1, 1))),
    line("fast: the gap is fixed", 115200, "even", 1, meters(1, (0, 1, 1))),
    line("slow", 300, "even", 1, meters(1, (0, 2, 10))),
    line("thirty meters, 20 registers, 10 s", 9600, "even", 1, meters(30, *[(at, 2, 10) for at in range(0, 20, 2)])),
    line("thirty meters, 60 registers, 1 s", 19200, "even", 1, meters(30, *[(at, 2, 1) for at in range(0, 60, 2)])),
    line("neighbours with other distances are read together when both are due", 9600, "even", 1, meters(3, (0, 2, 10), (2, 2, 60))),
    line("distances that meet once a minute", 9600, "even", 1, meters(2, (0, 1, 12), (1, 1, 20))),
    line("three distances, none a multiple of another", 9600, "even", 1, meters(1, (0, 1, 12), (1, 1, 20), (2, 1, 30))),
    line("once a day is nearly nothing", 9600, "even", 1, meters(32, (0, 2, DAY))),
    line("a gap read over", 9600, "even", 1, meters(1, (0, 2, 1), (6, 2, 1), maxGap=4)),
    line("a gap that is not", 9600, "even", 1, meters(1, (0, 2, 1), (6, 2, 1), maxGap=3)),
    line("pauses", 9600, "even", 1, meters(2, (0, 1, 1), (9, 1, 1), pauseMs=50)),
]


def requests(points, gap):
    """Counts of registers of the fewest requests."""
    blocks = []
    for address, registers in sorted((at, count) for at, count, _ in points):
        if blocks and address - (blocks[-1][0] + blocks[-1][1]) <= gap:
            blocks[-1][1] = address + registers - blocks[-1][0]
        else:
            blocks.append([address, registers])
    return [count for _, count in blocks]


def took_ms(spec, device, points):
    bits = 1 + 8 + (spec["parity"] != "none") + spec["stopBits"]
    character = Fraction(bits * 1000, spec["baudRate"])
    gap = Fraction(7, 4) if spec["baudRate"] > 19200 else character * Fraction(7, 2)
    total = Fraction(0)
    for count in requests(points, device.get("maxGap", 0)):
        asked = ["unit", "function", "address", "address", "count", "count", "crc", "crc"]
        answer = ["unit", "function", "bytes", *["data"] * (2 * count), "crc", "crc"]
        total += len(asked) * character + gap + 10 + len(answer) * character + gap + device.get("pauseMs", 0)
    return total


for spec in LINES:
    busy = Fraction(0)
    known = {}
    for device in spec["devices"]:
        for second in range(DAY):
            due = tuple(tuple(point) for point in device["points"] if second % point[2] == 0)
            if not due:
                continue
            key = json.dumps([device, due])
            if key not in known:
                known[key] = took_ms(spec, device, due)
            busy += device["count"] * known[key]
    spec["share"] = round(float(busy / (DAY * 1000)), 9)
    spec["cycleMs"] = round(float(sum(device["count"] * took_ms(spec, device, device["points"]) for device in spec["devices"])), 6)

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "line-load.jsonl")
with open(path, "w", encoding="utf-8") as file:
    file.write("".join(json.dumps(spec) + "\n" for spec in LINES))
