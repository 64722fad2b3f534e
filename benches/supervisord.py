#!/usr/bin/env python3
"""abide in the place of supervisord, beside supervisord, with the very same file, in one run: start of all programs, memory, CPU at
rest, a program that is killed until it runs again, one more program, and how fast output is taken.

    benches/supervisord.py --binary target/release/abide --n 1000

Needs supervisor: `--python` is a Python that has it (`benches/.venv/bin/python`).
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")
SLEEP = "8640042"


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def processes():
    """Parent and words of each."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        stat = read(f"/proc/{name}/stat")
        if stat:
            rest = stat.rsplit(b")", 1)[1].split()
            found[int(name)] = (int(rest[1]), read(f"/proc/{name}/cmdline").split(b"\0")[:-1])
    return found


def below(root):
    table = processes()
    ours = {root}
    grown = True
    while grown:
        more = {pid for pid, (parent, _) in table.items() if parent in ours} - ours
        ours |= more
        grown = bool(more)
    return {pid: table[pid][1] for pid in ours if pid in table}


def programs(root):
    return {pid: words for pid, words in below(root).items() if words[:1] == [b"/bin/sleep"]}


def supervisors(root):
    return [pid for pid, words in below(root).items() if words[:1] not in ([b"/bin/sleep"], [b"/bin/dd"])]


def cpu(pids):
    total = 0
    for pid in pids:
        fields = read(f"/proc/{pid}/stat").rsplit(b")", 1)
        if len(fields) == 2:
            words = fields[1].split()
            total += int(words[11]) + int(words[12])
    return total / TICK


def pss(pids):
    lines = (line for pid in pids for line in read(f"/proc/{pid}/smaps_rollup").splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith(b"Pss:")) / 1024


def until(what, holds, limit=120):
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > limit:
            sys.exit(f"not seen within {limit} s: {what}")
        time.sleep(0.002)
    return time.monotonic() - begun


class System:
    def __init__(self, args, root):
        self.args, self.root = args, root
        self.file = f"{root}/watched/all.conf"
        os.makedirs(f"{root}/watched")
        os.makedirs(f"{root}/logs")

    def write(self, count):
        head = f"[unix_http_server]\nfile={self.root}/sock\n[supervisord]\nlogfile={self.root}/main.log\npidfile={self.root}/pid\n"
        head += "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
        head += f"[supervisorctl]\nserverurl=unix://{self.root}/sock\n"
        body = "".join(
            f"[program:p{n}]\ncommand=/bin/sleep {SLEEP}\nautorestart=true\nstdout_logfile={self.root}/logs/p{n}.log\nredirect_stderr=true\n"
            for n in range(count)
        )
        flood = f"[program:flood]\ncommand=/bin/dd if=/dev/zero bs=64k count={self.args.mib * 16} status=none\nautostart=false\nautorestart=false\nstartsecs=0\n"
        flood += f"stdout_logfile={self.root}/logs/flood.log\nredirect_stderr=true\n"
        with open(self.file + ".new", "w") as file:
            file.write(head + body + flood)
        os.rename(self.file + ".new", self.file)


class Supervisord(System):
    name = "supervisord"

    def start(self):
        words = [self.args.python, "-m", "supervisor.supervisord", "-n", "-s", "-c", self.file]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ctl(self, *words):
        command = [self.args.python, "-m", "supervisor.supervisorctl", "-c", self.file, *words]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    def apply(self):
        self.ctl("update")

    def flood(self):
        self.ctl("start", "flood")


class Abide(System):
    name = "abide"

    def start(self):
        self.environment = dict(os.environ)
        for what in ("RUNTIME", "STATE", "LOG"):
            self.environment[f"ABIDE_{what}_DIR"] = f"{self.root}/{what.lower()}"
        words = [self.args.binary, "run", f"{self.root}/watched"]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment)

    def apply(self):
        pass

    def flood(self):
        words = [self.args.binary, "start", "flood", "--no-wait"]
        subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment, check=False)


def measure(system, args):
    row = {}
    system.write(args.n)
    begun = time.monotonic()
    system.start()
    root = system.process.pid
    until("all run", lambda: len(programs(root)) >= args.n)
    row["all run, s"] = time.monotonic() - begun
    time.sleep(3)
    ours = supervisors(root)
    row["PSS, MiB"] = pss(ours)
    before = cpu(ours)
    time.sleep(args.rest)
    row[f"CPU in {args.rest} s of rest, ms"] = (cpu(ours) - before) * 1000
    times = []
    for pid in sorted(programs(root))[: args.kills]:
        old = set(programs(root))
        os.kill(pid, signal.SIGKILL)
        times.append(until("it runs again", lambda: set(programs(root)) - old) * 1000)
    row["killed to running, ms"] = statistics.median(times)
    times, before, count = [], cpu(ours), args.n
    for _ in range(args.adds):
        count += 1
        begun = time.monotonic()
        system.write(count)
        system.apply()
        until("one more", lambda: len(programs(root)) >= count)
        times.append((time.monotonic() - begun) * 1000)
    row["one more, ms"] = statistics.median(times)
    row["one more, CPU ms"] = (cpu(ours) - before) * 1000 / args.adds
    begun = time.monotonic()
    before = cpu(ours)
    size = args.mib << 20
    system.flood()
    log = f"{system.root}/logs"
    taken = lambda: sum(os.path.getsize(f"{log}/{name}") for name in os.listdir(log) if name.startswith("flood"))
    until("the flood begins", lambda: taken() > 0)
    begun = time.monotonic()
    is_over = lambda: not any(words[:1] == [b"/bin/dd"] for words in below(root).values())
    until("the flood is over", is_over)
    row["output taken, MB/s"] = size / 1e6 / (time.monotonic() - begun)
    row["CPU s per GB of output"] = (cpu(ours) - before) / (size / 1e9)
    system.process.send_signal(signal.SIGTERM)
    system.process.wait()
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/abide")
    parser.add_argument("--python", default="benches/.venv/bin/python")
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--adds", type=int, default=5)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--rest", type=int, default=30)
    parser.add_argument("--mib", type=int, default=2048)
    args = parser.parse_args()
    rows = {}
    for kind in (Supervisord, Abide):
        with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="abide-bench-") as root:
            rows[kind.name] = measure(kind(args, root), args)
    print(f"{'':32} {'supervisord':>12} {'abide':>10} {'ratio':>8}")
    for what, theirs in rows["supervisord"].items():
        ours = rows["abide"][what]
        print(f"{what:32} {theirs:12.2f} {ours:10.2f} {ours / theirs if theirs else 0:8.3f}")


main()
