"""Wrote decode.csv: python3 decode.py > decode.csv. Shares nothing with the decoder: struct for the bits, decimal for the scaling."""

import struct
from decimal import Decimal, getcontext

getcontext().prec = 80
FORMATS = dict(int16="h", uint16="H", int32="i", uint32="I", int64="q", uint64="Q", float16="e", float32="f", float64="d")
DIGITS = dict(float16=5, float32=9, float64=17)
VALUES = dict(
    int16=[12345, -12345, 32767, -32768, 0],
    uint16=[12345, 1, 65535],
    int32=[123456789, -1, 2147483647, -2147483648],
    uint32=[4711250, 4294967295, 65536],
    int64=[9007199254740993, -9007199254740993, 9223372036854775807, -9223372036854775808, 42],
    uint64=[18446744073709551615, 9007199254740993, 123456789012, 1],
    float16=[0.1, 65504.0, -1.5, 6e-8, 0.3333],
    float32=[230.4, -0.1, 16777216.0, 3.4028235e38, 1.4e-45, 0.333333333],
    float64=[230.4, -0.1, 1e-300, 123456789.123456789, 0.1 + 0.2],
    int8h=[0, 1, 127, -128, -1, 90],
    int8l=[0, 1, 127, -128, -1, 90],
    uint8h=[0, 128, 255, 90],
    uint8l=[0, 128, 255, 90],
    int48=[123456789012345, -1, 140737488355327, -140737488355328, 0],
    uint48=[281474976710655, 4711250000123, 1],
    bcd16=[0, 1234, 9999, 90],
    bcd32=[12345678, 99999999, 90, 10000],
    mod10k32=[12345678, 99999999, 10000, 9999],
    mod10k48=[123456789012, 999999999999, 100000000, 1],
    mod10k64=[9007199254740993, 9999999999999999, 9007199254740992, 1234567890123456, 10000],
)
WIDE = ("int64", "uint64", "int48", "uint48", "mod10k48", "mod10k64")


def packed(kind, raw):
    """The bytes of a number, the most significant first."""
    if kind in FORMATS:
        return struct.pack(">" + FORMATS[kind], raw)
    if kind in ("int8h", "uint8h"):  # beside a byte that must not matter
        return struct.pack(">b" if kind[0] == "i" else ">B", raw) + b"\x7e"
    if kind in ("int8l", "uint8l"):
        return b"\x7e" + struct.pack(">b" if kind[0] == "i" else ">B", raw)
    if kind in ("int48", "uint48"):
        return struct.pack(">q" if kind[0] == "i" else ">Q", raw)[2:]
    if kind in ("bcd16", "bcd32"):
        return bytes.fromhex(("%08d" % raw)[-int(kind[3:]) // 4 :])
    digits = "%016d" % raw
    return b"".join(struct.pack(">H", int(digits[at : at + 4])) for at in range(16 - int(kind[6:]) // 4, 16, 4))


# Byte i as received is this letter; A is the most significant.
SWAPPED = ("BADC", "DCBA", "BADCFE", "FEDCBA", "BADCFEHG", "HGFEDCBA")
NAMES = (
    "ABCD CDAB BADC DCBA ABCDEF EFCDAB BADCFE FEDCBA ABCDEFGH GHEFCDAB BADCFEHG HGFEDCBA EFGHABCD CDABGHEF"
).split()
ORDERS = {
    16: {name: "BA" if name in SWAPPED else "AB" for name in NAMES},
    32: dict(ABCD="ABCD", CDAB="CDAB", BADC="BADC", DCBA="DCBA"),
    48: dict(
        ABCD="ABCDEF", CDAB="EFCDAB", BADC="BADCFE", DCBA="FEDCBA",
        ABCDEF="ABCDEF", EFCDAB="EFCDAB", BADCFE="BADCFE", FEDCBA="FEDCBA",
    ),
    64: dict(
        ABCD="ABCDEFGH", CDAB="GHEFCDAB", BADC="BADCFEHG", DCBA="HGFEDCBA", ABCDEFGH="ABCDEFGH", GHEFCDAB="GHEFCDAB",
        BADCFEHG="BADCFEHG", HGFEDCBA="HGFEDCBA", EFGHABCD="EFGHABCD", CDABGHEF="CDABGHEF",
    ),
}
SCALES = [("1", "0"), ("0.01", "0"), ("0.001", "-40"), ("-2.5", "0.125"), ("1000", "0")]


def shortest(kind, raw):
    """The decimal with the fewest digits that packs to the same bits."""
    if kind not in DIGITS:
        return Decimal(raw)
    bits = struct.pack(">" + FORMATS[kind], raw)
    exact = struct.unpack(">" + FORMATS[kind], bits)[0]
    for digits in range(1, DIGITS[kind] + 1):
        text = "%.*e" % (digits - 1, exact)
        try:
            if struct.pack(">" + FORMATS[kind], float(text)) == bits:
                return Decimal(text)
        except OverflowError:
            pass
    raise ValueError(raw)


def plain(number):
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


print("type,byteOrder,words,scale,offset,value,text")
for kind, values in VALUES.items():
    size = len(packed(kind, values[0])) * 8
    for order, letters in ORDERS[size].items():
        for scale, offset in SCALES:
            for raw in values:
                canonical = packed(kind, raw)
                received = bytes(canonical[ord(letter) - 65] for letter in letters).hex()
                words = " ".join(received[i : i + 4] for i in range(0, len(received), 4))
                value = shortest(kind, raw) * Decimal(scale) + Decimal(offset)
                text = plain(value) if kind in WIDE and Decimal(repr(float(value))) != value else ""
                print(",".join([kind, order, words, scale, offset, "0" if value == 0 else f"{value:e}", text]))
