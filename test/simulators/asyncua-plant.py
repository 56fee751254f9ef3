"""The plant of test/drivers/opcua/plant.ts behind asyncua. Nothing of this project's code takes part.

Usage: asyncua-plant.py PORT [CERTIFICATE KEY] [-shifted]

Prints `ready` when it serves; ends by itself after twenty minutes, or when its standard input does. A line there changes a value: `NAME JSON`; `NAME TYPE JSON`
makes the node anew with that type; `NAME delete` and `NAME add` let a node vanish and come back. With a certificate and its key (PEM) it offers every policy, and every kind of user: `ana` with
the password `not-in-any-log`, and whoever has a certificate. `-shifted`: another namespace stands before the plant's.
"""
import asyncio
import json
import logging
import sys
import uuid
from datetime import datetime, timedelta, timezone

from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole

LIFETIME_S = 1200
TICK_S = 0.1

SCALARS = {
    "Boolean": True,
    "SByte": -7,
    "Byte": 200,
    "Int16": -1234,
    "UInt16": 65535,
    "Int32": -(2**31),
    "UInt32": 2**32 - 1,
    "Int64": -(2**60) - 1,
    "UInt64": 2**64 - 1,
    "Float": 230.4,
    "Double": 0.1,
    "String": "Pump 1",
    "DateTime": datetime(2026, 1, 2, 3, 4, 5, 678000, timezone.utc),
    "Guid": uuid.UUID("09087e75-8e5e-499b-954f-f2a9603db28a"),
    "ByteString": bytes.fromhex("deadbeef"),
    "LocalizedText": ua.LocalizedText("Pumpe", "de"),
    "QualifiedName": ua.QualifiedName("Pump", 1),
    "NodeId": ua.NodeId(85, 0),
    "StatusCode": ua.StatusCode(ua.StatusCodes.BadShutdown),
}


def held(value, kind, status=ua.StatusCodes.Good, source=None):
    return ua.DataValue(
        ua.Variant(value, kind),
        StatusCode=ua.StatusCode(status),
        SourceTimestamp=source or datetime.now(timezone.utc),
    )


class Users:
    def get_user(self, iserver, username=None, password=None, certificate=None):
        if username is not None and (username, password) != ("ana", "not-in-any-log"):
            return None
        return User(role=UserRole.User)


async def secure(server, certificate, key):
    modes = [
        getattr(ua.SecurityPolicyType, f"{policy}_{mode}")
        for policy in ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
        for mode in ("Sign", "SignAndEncrypt")
    ]
    await server.set_application_uri("urn:plc")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity, *modes])
    server.set_identity_tokens([ua.AnonymousIdentityToken, ua.UserNameIdentityToken, ua.X509IdentityToken])
    await server.load_certificate(certificate)
    await server.load_private_key(key)


async def main(port, *words):
    files = [word for word in words if not word.startswith("-")]
    server = Server(user_manager=Users())
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    if files:
        await secure(server, *files)
    if "-shifted" in words:
        await server.register_namespace("urn:site:other")
    space = await server.register_namespace("urn:site:plc")
    plant = await server.nodes.objects.add_object(space, "Plant")
    nodes = {}

    async def add(name, value, kind, **more):
        node = await plant.add_variable(ua.NodeId(name, space), name, value, kind)
        await node.write_attribute(ua.AttributeIds.Value, held(value, kind, **more))
        nodes[name] = node

    for name, value in SCALARS.items():
        await add(f"T.{name}", value, ua.VariantType[name])
    await add("T.NaN", float("nan"), ua.VariantType.Double)
    await add("A.Int32", [1, 2, 3], ua.VariantType.Int32)
    await add("A.String", ["a", "b"], ua.VariantType.String)
    await add("S.Bad", 5.0, ua.VariantType.Double, status=ua.StatusCodes.BadSensorFailure)
    await add("S.Uncertain", 6.5, ua.VariantType.Double, status=ua.StatusCodes.UncertainLastUsableValue)
    await add("S.Old", 7.0, ua.VariantType.Double, source=datetime.now(timezone.utc) - timedelta(days=30))
    await add("Level", 1.5, ua.VariantType.Double)
    await add("Ticks", 0, ua.VariantType.UInt32)

    async def obey(line):
        name, *words = line.split(" ", 1)
        if words == ["delete"]:
            await server.delete_nodes([nodes.pop(name)])
        elif words == ["add"]:
            await add(name, 1.5, ua.VariantType.Double)
        elif words[0].split(" ")[0] in ua.VariantType.__members__:
            kind, text = words[0].split(" ", 1)
            await server.delete_nodes([nodes.pop(name)])
            await add(name, json.loads(text), ua.VariantType[kind])
        else:
            node = ua.NodeId(name, space)
            await server.write_attribute_value(node, held(json.loads(words[0]), ua.VariantType.Double))

    async def listen():
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            await obey(line.decode().strip())

    async def tick():
        for count in range(1, int(LIFETIME_S / TICK_S)):
            await asyncio.sleep(TICK_S)
            await server.write_attribute_value(nodes["Ticks"].nodeid, held(count, ua.VariantType.UInt32))

    async with server:
        print("ready", flush=True)
        work = [asyncio.create_task(listen()), asyncio.create_task(tick())]
        done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        for task in work:
            task.cancel()


logging.basicConfig(level=logging.CRITICAL)
asyncio.run(main(*sys.argv[1:]))
