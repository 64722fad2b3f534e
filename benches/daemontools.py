#!/usr/bin/env python3
"""abide in the place of daemontools, beside daemontools, in one run: the commands that stand before a service (wall time, CPU,
page faults), multilog's throughput, and a thousand directories with loggers (memory, from link to running).

    benches/daemontools.py --binary target/release/abide commands multilog thousand

Needs daemontools; `thousand` a limit of 20,000 open files, and /dev/shm.
"""

import argparse
import os
import resource
import shutil
import signal
import statistics
import subprocess
import tempfile
import time


def links(binary, root):
    subprocess.run([binary, "links", f"{root}/links"], stdout=subprocess.DEVNULL, check=True)
    return f"{root}/links"


# --- the commands before a service ---


def executions(words, n):
    times, before = [], resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(n):
        begun = time.perf_counter()
        os.waitpid(os.posix_spawn(words[0], words, os.environ), 0)
        times.append(time.perf_counter() - begun)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return statistics.median(times) * 1000, used / n * 1000, (after.ru_minflt - before.ru_minflt) / n


def commands(args, root):
    ours = links(args.binary, root)
    os.mkdir(f"{root}/env")
    cases = {
        "softlimit": ["-o", "100"],
        "envdir": [f"{root}/env"],
        "setuidgid": ["nobody" if os.geteuid() == 0 else os.environ.get("USER", "nobody")],
        "setlock": [f"{root}/lock"],
    }
    print("command     of           wall ms  CPU ms  faults   (/bin/true, which follows, included)")
    for _ in range(args.rounds):
        wall, cpu, faults = executions(["/bin/true"], args.n)
        print(f"{'-':10}  {'-':11} {wall:8.3f} {cpu:7.3f} {faults:7.0f}")
        for name, words in cases.items():
            for whose, path in (("daemontools", shutil.which(name)), ("abide", f"{ours}/{name}")):
                wall, cpu, faults = executions([path, *words, "/bin/true"], args.n)
                print(f"{name:10}  {whose:11} {wall:8.3f} {cpu:7.3f} {faults:7.0f}")


# --- multilog ---


def throughput(program, script, line, total, root):
    """MB/s of one that reads a pipe which is always full."""
    shutil.rmtree(f"{root}/main", ignore_errors=True)
    block = (b"x" * (line - 1) + b"\n") * max(1, (256 << 10) // line)
    child = subprocess.Popen([program, *script, "./main"], stdin=subprocess.PIPE, cwd=root)
    begun, written = time.perf_counter(), 0
    while written < total:
        child.stdin.write(block)
        written += len(block)
    child.stdin.close()
    if child.wait() != 0:
        raise SystemExit(f"{program} failed")
    return written / (time.perf_counter() - begun) / 1e6


def multilog(args, root):
    ours = links(args.binary, root)
    programs = (("daemontools", shutil.which("multilog")), ("abide", f"{ours}/multilog"))
    print("line  script            daemontools    abide   ratio   (MB/s, medians)")
    for line in (4, 100, 3000):
        for script in ([], ["t"], ["n20", "s16777215"], ["t", "n20", "s16777215"]):
            total = args.megabytes * 1_000_000 // (4 if line == 4 else 1)
            found = {name: [] for name, _ in programs}
            for _ in range(args.rounds):
                for name, path in programs:
                    found[name].append(throughput(path, script, line, total, root))
            real, own = (statistics.median(found[name]) for name, _ in programs)
            print(f"{line:4}  {' '.join(script):16} {real:12.0f} {own:8.0f} {own / real:7.1f}")


# --- a thousand directories ---


def pss(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
            return next(int(text.split()[1]) for text in file if text.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


def named(names):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if os.path.basename(words[0]).decode() in names or (names == ["abide"] and words[0].startswith(b"abide")):
            found.append(int(pid))
    return found


def put(root, index):
    """A service that says when it was started: its file's time."""
    for part, run in (("", "echo begun; : >began; exec sleep 86400"), ("/log", "exec cat >/dev/null")):
        directory = f"{root}/sv/s{index}{part}"
        os.makedirs(directory)
        with open(f"{directory}/run", "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{run}\n")
        os.chmod(f"{directory}/run", 0o755)


def await_file(path, deadline=120):
    end = time.monotonic() + deadline
    while not os.path.exists(path):
        if time.monotonic() > end:
            raise SystemExit(f"{path} did not come")
        time.sleep(0.0005)
    return time.monotonic()


def thousand(args, root):
    print("system       all up s   PSS MiB  processes   one link more, ms (median of 5)")
    for system in ("daemontools", "abide"):
        place = f"{root}/{system}"
        os.makedirs(f"{place}/service")
        for index in range(args.services + 5):
            put(place, index)
        for index in range(args.services):
            os.symlink(f"{place}/sv/s{index}", f"{place}/service/s{index}")
        words = ["svscan", f"{place}/service"]
        if system == "abide":
            dirs = ["--runtime-dir", f"{place}/run", "--state-dir", f"{place}/state", "--log-dir", f"{place}/log"]
            words = [args.binary, "run", *dirs, f"{place}/service"]
        begun = time.monotonic()
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for index in range(args.services):
                up = await_file(f"{place}/sv/s{index}/began")
            time.sleep(8)
            names = ["svscan", "supervise"] if system == "daemontools" else ["abide"]
            pids = named(names)
            memory = sum(map(pss, pids)) / 1024
            more = []
            for index in range(args.services, args.services + 5):
                time.sleep(1.3)
                linked = time.monotonic()
                os.symlink(f"{place}/sv/s{index}", f"{place}/service/s{index}")
                more.append((await_file(f"{place}/sv/s{index}/began") - linked) * 1000)
            print(f"{system:11} {up - begun:9.2f} {memory:9.1f} {len(pids):10} {statistics.median(more):14.1f}")
        finally:
            end(system, child, place, args.services + 5)


def end(system, child, place, count):
    if system == "daemontools":
        child.kill()
        child.wait()
        for index in range(count):
            subprocess.run(["svc", "-dx", f"{place}/sv/s{index}", f"{place}/sv/s{index}/log"], stderr=subprocess.DEVNULL)
    else:
        child.send_signal(signal.SIGTERM)
        child.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default="target/release/abide")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--n", type=int, default=500, help="executions a round")
    parser.add_argument("--megabytes", type=int, default=200, help="a run of multilog")
    parser.add_argument("--services", type=int, default=990, help="svscan knows a thousand at most")
    parser.add_argument("what", nargs="+", choices=["commands", "multilog", "thousand"])
    args = parser.parse_args()
    args.binary = os.path.abspath(args.binary)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(20_000, hard)), hard))
    root = tempfile.mkdtemp(prefix="abide-daemontools-", dir="/dev/shm")
    try:
        for what in args.what:
            {"commands": commands, "multilog": multilog, "thousand": thousand}[what](args, root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
