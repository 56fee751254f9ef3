"""A reader of somebody's standard error who sleeps: sleeping-reader.py KIND FILE COMMAND...

KIND is pipe, socket or terminal. Nothing is read until "read" comes on standard input; then all goes to FILE. "close" hangs up.
Tells "pid N" and "exit N" on standard output, ends with the command, and ends it when standard input ends.
"""

import os
import pty
import select
import socket
import subprocess
import sys

kind, file, *command = sys.argv[1:]
if kind == "pipe":
    near, far = os.pipe()
elif kind == "socket":
    ends = socket.socketpair()
    near, far = ends[0].detach(), ends[1].detach()
else:
    near, far = pty.openpty()

child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=far)
if kind != "terminal":
    os.close(far)
print("pid", child.pid, flush=True)

awake = False
with open(file, "wb", buffering=0) as out:
    while child.poll() is None or awake:
        ready, _, _ = select.select([0] + ([near] if awake else []), [], [], 0.02)
        if near in ready:
            try:
                data = os.read(near, 65536)
            except OSError:
                data = b""
            out.write(data)
            awake = len(data) > 0
        elif child.poll() is not None:
            break
        if 0 in ready:
            words = os.read(0, 100).decode().split()
            if not words:
                child.kill()
                break
            awake = "read" in words
            if "close" in words:
                os.close(near)
print("exit", child.wait(), flush=True)
