#!/usr/bin/env python3
"""Fills the column `words` of the tables here: the registers that hold a value as the second source describes them.

Usage: python3 test/cases/profiles/words.py [FILE...]

The columns up to `value` are copied from that source, in its own terms; no code of this project takes part.
`order`: the places of the bytes as received, A being the most significant. The words are those of value / scale.
"""
import glob
import os
import struct
import sys
from decimal import Decimal

FORMATS = {
    "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q", "uint64": ">Q",
    "float32": ">f", "float64": ">d",
}


def words(kind: str, order: str, scale: str, value: str) -> str:
    raw = Decimal(value) / Decimal(scale)
    if not kind.startswith("float"):
        assert raw == int(raw), f"{value} is not a multiple of {scale}"
    data = struct.pack(FORMATS[kind], float(raw) if kind.startswith("float") else int(raw))
    places = [ord(letter) - ord("A") for letter in order]
    assert sorted(places) == list(range(len(data))), f"{order} does not fit {kind}"
    received = bytes(data[place] for place in places)
    return " ".join(received[at : at + 2].hex() for at in range(0, len(received), 2))


def fill(path: str) -> None:
    with open(path, encoding="utf-8") as file:
        source, head, *lines = file.read().splitlines()
    keys = head.split(",")
    done = []
    for line in lines:
        row = dict(zip(keys, line.split(",")))
        row["words"] = words(row["type"], row["order"], row["scale"], row["value"])
        done.append(",".join(row[key] for key in keys))
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([source, head, *done]) + "\n")


if __name__ == "__main__":
    for each in sys.argv[1:] or glob.glob(os.path.join(os.path.dirname(__file__), "*.csv")):
        fill(each)
