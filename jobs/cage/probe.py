"""Run inside a cage: try what must not work, and what must. Prints one JSON object {attempt: "refused ..." or "possible"}.

    python -I -S probe.py '{"tcp": port, "udp": port, "unix": path, "secret": path, "outside": path, "inside": path}'
"""

import json
import os
import socket
import sys
import threading


def connect(family, kind, address):
    with socket.socket(family, kind) as there:
        there.settimeout(1)
        there.connect(address)
        there.send(b"x")


def write(path):
    with open(path, "w") as file:
        file.write("x")


def attempts(at):
    here = "127.0.0.1"
    return {
        "tcp": lambda: connect(socket.AF_INET, socket.SOCK_STREAM, (here, at["tcp"])),
        "udp": lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, (here, at["udp"])),
        "unix socket": lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, at["unix"]),
        "read a secret": lambda: open(at["secret"]).read(),
        "read /etc/shadow": lambda: open("/etc/shadow").read(),
        "write outside": lambda: write(at["outside"]),
        "see the worker": lambda: open(f"/proc/{at['worker']}/environ").read(),
        "write inside": lambda: write(at["inside"]),
        "run threads": lambda: threading.Thread(target=int).start(),
    }


def tried(act):
    try:
        act()
        return "possible"
    except OSError as error:
        return f"refused: {os.strerror(error.errno) if error.errno else error}"
    except RuntimeError as error:
        return f"refused: {error}"


if __name__ == "__main__":
    print(json.dumps({name: tried(act) for name, act in attempts(json.loads(sys.argv[1])).items()}))
