#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""bench-trace.py VMLINUX SOCKET LABEL=SYMBOL:N...: follow calls in a guest, instruction by
instruction, by the stub for debuggers that QEMU has at SOCKET, where the guest has not started yet.

Of each the N-th call of a function from then on is followed, from its first instruction until it
returns; what the kernel does not have is passed over. Prints a line for each instruction on the
way: label, function, address, how often it ran, and whether it locks. Then the guest goes on by
itself."""

import bisect
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter

# More than any operation that is worth to be followed.
MOST_STEPS = 200_000
# Where they are among the registers that the stub tells.
REGISTERS = {"rsp": 7, "rip": 16}


class Stub:
    """The remote protocol of gdb, as far as it is needed."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        for _ in range(100):
            try:
                self.socket.connect(path)
                break
            except OSError:
                time.sleep(0.1)
        else:
            sys.exit(f"luo-flb: error: no debugger stub at {path}")
        self.rest = b""
        self.ask("?")

    def receive(self):
        while b"#" not in self.rest or len(self.rest) < self.rest.index(b"#") + 3:
            data = self.socket.recv(65536)
            if not data:
                sys.exit("luo-flb: error: the guest has ended before all was followed")
            self.rest += data
        end = self.rest.index(b"#")
        packet, self.rest = self.rest[:end], self.rest[end + 3 :]
        self.socket.sendall(b"+")
        return packet.lstrip(b"+").removeprefix(b"$").decode("ascii")

    def send(self, packet):
        data = packet.encode("ascii")
        self.socket.sendall(b"$%s#%02x" % (data, sum(data) & 0xFF))

    def ask(self, packet):
        self.send(packet)
        return self.receive()

    def registers(self):
        words = self.ask("g")
        return {
            name: int.from_bytes(bytes.fromhex(words[16 * place : 16 * place + 16]), "little")
            for name, place in REGISTERS.items()
        }

    def memory(self, address, length):
        return bytes.fromhex(self.ask(f"m{address:x},{length:x}"))

    def run_to(self, address, times):
        """Until the instruction at an address is about to run for so many times."""
        for _ in range(times):
            # Past a breakpoint that is just here.
            self.ask("s")
            if self.ask(f"Z1,{address:x},1") != "OK":
                sys.exit("luo-flb: error: QEMU takes no breakpoint")
            if not self.ask("c").startswith("T05"):
                sys.exit("luo-flb: error: the guest has stopped elsewhere")
            self.ask(f"z1,{address:x},1")


class Symbols:
    """What functions are called, and where they begin."""

    def __init__(self, vmlinux):
        nm = "llvm-nm" + os.environ.get("LLVM_SUFFIX", "")
        lines = subprocess.run(
            [nm, "--demangle", "--numeric-sort", vmlinux], check=True, capture_output=True, text=True
        ).stdout.splitlines()
        self.names = {}
        starts = {}
        for line in lines:
            address, kind, name = line.split(" ", 2)
            if kind in "tTwW":
                self.names.setdefault(name, int(address, 16))
                # Of several names the one that is known elsewhere.
                if int(address, 16) not in starts or kind == "T":
                    starts[int(address, 16)] = name
        self.starts = sorted(starts)
        self.at = starts

    def function(self, address):
        return self.at[self.starts[bisect.bisect_right(self.starts, address) - 1]]


def is_locked(code):
    """Whether an instruction locks: by its prefix, or as it exchanges with memory."""
    code = code.lstrip(b"\x2e\x36\x3e\x26\x64\x65\x66\x67")
    if code[:1] == b"\xf0":
        return True
    if code and 0x40 <= code[0] <= 0x4F:
        code = code[1:]
    return code[:1] in (b"\x86", b"\x87") and len(code) > 1 and code[1] < 0xC0


def follow(stub):
    """Steps through the call that is about to begin: how often each instruction runs."""
    steps = Counter()
    registers = stub.registers()
    frame = registers["rsp"]
    back = int.from_bytes(stub.memory(frame, 8), "little")
    for _ in range(MOST_STEPS):
        address = registers["rip"]
        if address == back and registers["rsp"] > frame:
            return steps
        steps[address] += 1
        stub.ask("s")
        registers = stub.registers()
    sys.exit("luo-flb: error: a call does not come to an end")


def main():
    vmlinux, path, *calls = sys.argv[1:]
    symbols = Symbols(vmlinux)
    stub = Stub(path)
    for call in calls:
        label, name, number = re.fullmatch(r"(.+)=(.+):(\d+)", call).groups()
        if name not in symbols.names:
            continue
        stub.run_to(symbols.names[name], int(number))
        for address, times in follow(stub).items():
            locks = int(is_locked(stub.memory(address, 8)))
            print(label, symbols.function(address), f"{address:x}", times, locks, sep="\t")
    stub.ask("D")


main()
