#!/usr/bin/env python3
"""How long nobody supervises: from `kill -9` of the supervisor, or of all of abide and a new `abide run`, to a snapshot of
a new supervisor in which every service runs with the pid that it had. And what the keeper takes.

    benches/adopt.py --binary target/release/abide --n 10,100,1000 --rounds 11

supervisord in the same run, where there is one: killed and started again, and how many copies of each program live then.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time


def snapshot(root):
    try:
        with open(f"{root}/run/status.json", encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def pids(status):
    return sorted(i["pid"] for s in status["services"] for i in s["instances"] if i.get("pid"))


def await_all(root, n, other_than, deadline=60):
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        status = snapshot(root)
        if status and status["abide"]["supervisor_pid"] != other_than and status["summary"]["running"] == n:
            return status
        time.sleep(0.0005)
    raise SystemExit(f"{n} services did not come up in {deadline} s")


def start(binary, root):
    words = [binary, "run", "--runtime-dir", f"{root}/run", "--state-dir", f"{root}/state", "--log-dir", f"{root}/log"]
    with open(f"{root}/stderr", "ab") as said:
        return subprocess.Popen(words + [f"{root}/services.d"], stdin=subprocess.DEVNULL, stdout=said, stderr=said)


def memory(pid):
    found = {}
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        for line in file:
            name, *rest = line.split()
            if name in ("Rss:", "Pss:"):
                found[name[:-1].lower()] = int(rest[0])
    return found


def abide(binary, n, rounds):
    root = tempfile.mkdtemp(prefix="abide-adopt-")
    os.mkdir(f"{root}/services.d")
    for k in range(n):
        with open(f"{root}/services.d/s{k:04}.toml", "w", encoding="utf-8") as file:
            file.write('command = ["/bin/sleep", "86400"]\n')
    keeper = start(binary, root)
    status = await_all(root, n, 0)
    before, one, all_of_it = pids(status), [], []
    for _ in range(rounds):
        supervisor = status["abide"]["supervisor_pid"]
        time.sleep(0.3)
        killed = time.monotonic()
        os.kill(supervisor, signal.SIGKILL)
        status = await_all(root, n, supervisor)
        one.append((time.monotonic() - killed) * 1000)
        assert pids(status) == before, "a second copy, or another process"
    for _ in range(max(3, rounds // 3)):
        supervisor = status["abide"]["supervisor_pid"]
        killed = time.monotonic()
        keeper.send_signal(signal.SIGKILL)
        keeper.wait()
        keeper = start(binary, root)
        status = await_all(root, n, supervisor)
        all_of_it.append((time.monotonic() - killed) * 1000)
        assert pids(status) == before, "a second copy, or another process"
    took = memory(keeper.pid)
    keeper.terminate()
    keeper.wait()
    shutil.rmtree(root)
    spread = lambda times: {"median_ms": round(statistics.median(times), 1), "max_ms": round(max(times), 1)}
    return {"n": n, "supervisor": spread(one), "all": spread(all_of_it), "keeper_kib": took}


def supervisord(n):
    """Copies of each program after a kill of supervisord and a new start."""
    if not shutil.which("supervisord"):
        return "supervisord is missing"
    root = tempfile.mkdtemp(prefix="supervisord-adopt-")
    with open(f"{root}/conf", "w", encoding="utf-8") as file:
        file.write(f"[supervisord]\nnodaemon=true\nlogfile={root}/log\npidfile={root}/pid\n")
        for k in range(n):
            file.write(f"[program:s{k}]\ncommand=/bin/sleep 86399.{k}\n")
    run = lambda: subprocess.Popen(["supervisord", "-c", f"{root}/conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    copies = lambda: int(subprocess.run(["pgrep", "-fc", "sleep 86399"], capture_output=True, text=True).stdout or 0)
    first = run()
    while copies() < n:
        time.sleep(0.1)
    first.kill()
    first.wait()
    second = run()
    time.sleep(3 + n / 100)
    found = copies() / n
    second.terminate()
    second.wait()
    subprocess.run(["pkill", "-f", "sleep 86399"], check=False)
    shutil.rmtree(root)
    return f"{found:.1f} copies of each program"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default="target/release/abide")
    parser.add_argument("--n", default="10,100,1000")
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    for n in [0, *map(int, options.n.split(","))]:
        if n == 0:
            root = tempfile.mkdtemp(prefix="abide-adopt-")
            os.mkdir(f"{root}/services.d")
            keeper = start(options.binary, root)
            await_all(root, 0, 0)
            print(json.dumps({"n": 0, "keeper_kib": memory(keeper.pid)}), flush=True)
            keeper.terminate()
            keeper.wait()
            shutil.rmtree(root)
        else:
            print(json.dumps(abide(options.binary, n, options.rounds)), flush=True)
    print("supervisord, killed and started again:", supervisord(10), flush=True)


if __name__ == "__main__":
    main()
