#!/usr/bin/env python3
"""What a crowd at the doors costs supervision (Python 3 stdlib only).

  ./build.sh
  ./doors.py --services 1000 --clients 100 --crashes 100 --seconds 10

With so many services loaded, so many of them a second are killed with SIGKILL, one after another, and the time from there to the first
instruction of the next process is taken: first while nobody asks anything (quiet), then while the clients, each again as soon as
it has its answer, ask for the whole status over the control socket, then quietly again. The claim: the median and the 99th
percentile under load are within twice the quiet ones, and the memory of abide does not grow with the number of answers.
"""
import argparse, json, os, selectors, signal, socket, statistics, subprocess, sys, time

import bench
from bench import Abide, alive, load, ns, read

REQUEST = b"GET /v1/status HTTP/1.1\r\nhost: abide\r\n\r\n"


def ask(path, clients):
    """A process of its own: `clients` connections, each with a request under way, until SIGTERM. Prints what it got."""
    poll, got, failed, slowest = selectors.DefaultSelector(), 0, 0, 0.0
    going = [True]
    signal.signal(signal.SIGTERM, lambda *_: going.clear())

    def begin():
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        s.setblocking(False)
        s.sendall(REQUEST)
        poll.register(s, selectors.EVENT_READ, {"buf": bytearray(), "since": time.monotonic(), "left": None})

    for _ in range(clients):
        begin()
    while going:
        for key, _ in poll.select(0.2):
            s, c = key.fileobj, key.data
            try:
                piece = s.recv(1 << 20)
            except BlockingIOError:
                continue
            except OSError:
                piece = b""
            if not piece:
                failed += 1
                poll.unregister(s)
                s.close()
                begin()
                continue
            if not read_piece(c, piece):
                continue
            got += 1
            slowest = max(slowest, time.monotonic() - c["since"])
            c.update(buf=bytearray(), since=time.monotonic(), left=None)
            s.sendall(REQUEST)
    print(json.dumps({"answers": got, "failed": failed, "slowest_s": round(slowest, 3)}))


def read_piece(c, piece):
    """Takes a piece of a response; whether that is now whole."""
    if c["left"] is not None and c["left"] != "chunked":
        c["left"] -= len(piece)
        return c["left"] <= 0
    c["buf"] += piece
    if c["left"] == "chunked":
        whole = c["buf"].endswith(b"0\r\n\r\n")
        del c["buf"][:-8]
        return whole
    end = c["buf"].find(b"\r\n\r\n")
    if end < 0:
        return False
    head = bytes(c["buf"][:end]).lower()
    assert head.startswith(b"http/1.1 200"), head
    for line in head.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            c["left"] = int(line.split(b":")[1]) - (len(c["buf"]) - end - 4)
            return c["left"] <= 0
    c["left"] = "chunked"
    return c["buf"].endswith(b"0\r\n\r\n")


def rss_kib(pid):
    for line in read(f"/proc/{pid}/status").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


class Crashes:
    """Kills services in turn, so that each has run for long when its turn comes again."""
    def __init__(self, a, names, per_second):
        self.a, self.names, self.pause, self.next = a, names, 1.0 / per_second, 0

    def run(self, seconds):
        """(name, killed at, pid) of each, then waits for the last to be back."""
        pid = {row[1]: row[2] for row in self.a.ev.starts()}
        killed, end = [], time.monotonic() + seconds
        due = time.monotonic()
        while time.monotonic() < end:
            name = self.names[self.next % len(self.names)]
            self.next += 1
            if alive(pid[name]):
                t0 = ns()
                os.kill(pid[name], signal.SIGKILL)
                killed.append((name, t0, pid[name]))
            due += self.pause
            time.sleep(max(0, due - time.monotonic()))
        time.sleep(2.0)
        starts = {}
        for row in self.a.ev.starts():
            starts.setdefault(row[1], []).append(row)
        took = []
        for name, t0, old in killed:
            after = [row[4] - t0 for row in starts[name] if row[4] >= t0 and row[2] != old]
            took.append(min(after) / 1e6 if after else None)
        missing = sum(t is None for t in took)
        took = sorted(t for t in took if t is not None)
        at = lambda share: round(took[min(len(took) - 1, int(share * len(took)))], 3)
        return {"killed": len(killed), "not_back": missing, "median_ms": round(statistics.median(took), 3),
                "p90_ms": at(0.9), "p99_ms": at(0.99), "max_ms": at(1)}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--services", type=int, default=1000)
    p.add_argument("--clients", type=int, default=100)
    p.add_argument("--crashes", type=int, default=100, help="a second")
    p.add_argument("--seconds", type=float, default=10)
    p.add_argument("--even", action="store_true", help="take back that the doors go behind supervision, for comparison")
    p.add_argument("--burn", action="store_true", help="instead of the crowd one process that only burns a processor")
    p.add_argument("--nice", type=int, default=0, help="of the crowd; at 10 and more it stands for clients on another machine")
    p.add_argument("--root", default="/dev/shm")
    p.add_argument("--ask", help=argparse.SUPPRESS)
    o = p.parse_args()
    if o.ask:
        os.nice(o.nice)
        return ask(o.ask, o.clients)
    bench.ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)        # PR_SET_CHILD_SUBREAPER, as bench.py
    a = Abide(o.root)
    result = {"version": a.version(), "services": o.services, "clients": o.clients, "crashes_per_s": o.crashes,
              "doors_go_behind": not o.even, "crowd_nice": o.nice}
    try:
        _, names = load(a, o.services, True)
        control = os.path.join(a.paths["runtime"], "control.sock")
        status = json.loads(read(os.path.join(a.paths["runtime"], "status.json")))
        supervisor = status["abide"]["supervisor_pid"]
        time.sleep(3.0)
        crashes = Crashes(a, names, o.crashes)
        result["rss_kib_before"] = rss_kib(supervisor)
        result["quiet"] = crashes.run(o.seconds)
        argv = [sys.executable, os.path.abspath(__file__), "--ask", control, "--clients", str(o.clients),
                "--nice", str(o.nice)]
        if o.burn:
            argv = [sys.executable, "-c", "while True: pass"]
        crowd = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        time.sleep(1.5)
        if o.even:
            for task in os.listdir(f"/proc/{supervisor}/task"):
                if read(f"/proc/{supervisor}/task/{task}/comm").startswith("doors"):
                    os.setpriority(os.PRIO_PROCESS, int(task), 0)
        result["loaded"] = crashes.run(o.seconds)
        result["rss_kib_loaded"] = rss_kib(supervisor)
        crowd.terminate()
        said = crowd.communicate()[0]
        result["crowd"] = json.loads(said) if said else "burnt a processor"
        result["quiet_again"] = crashes.run(o.seconds)
        result["rss_kib_after"] = rss_kib(supervisor)
        for key in ("median_ms", "p99_ms"):
            quiet = max(result["quiet"][key], result["quiet_again"][key])
            result["ratio_" + key[:-3]] = round(result["loaded"][key] / quiet, 2)
    finally:
        a.destroy()
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
