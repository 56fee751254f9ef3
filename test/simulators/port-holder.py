"""Holds a serial port as other programs do, until its standard input ends or 60 s have passed.

Usage: port-holder.py PATH open|lock|exclusive
"""
import fcntl
import os
import select
import sys
import termios

path, how = sys.argv[1:]
port = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
if how == "lock":
    fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)
if how == "exclusive":
    fcntl.ioctl(port, termios.TIOCEXCL)
print("held", flush=True)
select.select([sys.stdin], [], [], 60)
