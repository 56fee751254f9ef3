"""The manager's end of sd_notify(3): notify-socket.py PATH. Tells each datagram as a line of JSON, a list of its assignments. Ends with standard input."""

import json
import select
import socket
import sys

path = sys.argv[1]
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(path)
print(json.dumps(["LISTENING"]), flush=True)
while True:
    ready, _, _ = select.select([manager, sys.stdin], [], [])
    if sys.stdin in ready:
        break
    # What comes along as a descriptor (a barrier) is closed with the message, which is what its sender waits for.
    print(json.dumps(manager.recv(65536).decode().rstrip("\n").split("\n")), flush=True)
