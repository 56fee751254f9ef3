"""A server of asyncua with every policy and user, for security.slow.test.ts. Nothing of this project's code takes part.

Usage: asyncua-secure.py PORT CERTIFICATE KEY

Prints `ready`; ends by itself after five minutes, or when its standard input does. The user is `ana`, her password `not-in-any-log`.
"""
import asyncio
import logging
import sys

from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole

LIFETIME_S = 300
POLICIES = ["Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"]


class Users:
    def get_user(self, iserver, username=None, password=None, certificate=None):
        if username is not None and (username, password) != ("ana", "not-in-any-log"):
            return None
        return User(role=UserRole.User)


async def main(port, certificate, key):
    server = Server(user_manager=Users())
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    await server.set_application_uri("urn:plc")
    modes = [getattr(ua.SecurityPolicyType, f"{name}_{mode}") for name in POLICIES for mode in ("Sign", "SignAndEncrypt")]
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity, *modes])
    server.set_identity_tokens([ua.AnonymousIdentityToken, ua.UserNameIdentityToken, ua.X509IdentityToken])
    await server.load_certificate(certificate)
    await server.load_private_key(key)
    space = await server.register_namespace("urn:site:plc")
    await server.nodes.objects.add_variable(ua.NodeId("Level", space), "Level", 1.5, ua.VariantType.Double)

    async def listen():
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        await reader.read()

    async with server:
        print("ready", flush=True)
        await asyncio.wait([asyncio.create_task(listen())], timeout=LIFETIME_S)


logging.basicConfig(level=logging.CRITICAL)
asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
