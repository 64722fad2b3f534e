#!/usr/bin/env python3
"""Side-by-side benchmark of process supervisors (Python 3 stdlib only).

  ./build.sh
  ./bench.py list
  ./bench.py run --exp latency --systems limit,daemontools,runit,s6 --reps 12
  ./bench.py run --exp bulk,memory,idle --n 100,1000 --reps 3
  ./bench.py report raw/*.json          (markdown tables on stdout)

Every experiment is a function exp_NAME(make, opt): `make` builds a fresh
adapter, the function returns one JSON-able dict.  To add a supervisor, write
one Adapter subclass and put it in SYSTEMS (see Abide, at the end of the
adapters, for the project's own).

Where things run: every process is a descendant of this harness, which is a
child subreaper, so clean-up is "kill the descendants, by pid" and nothing else.
All state lives in a fresh directory under --root (default /dev/shm: tmpfs).
Times are CLOCK_MONOTONIC; the supervised program stamps its own main().
"""
import argparse, ctypes, glob, json, os, random, re, resource, select, shlex
import shutil, signal, statistics, subprocess, sys, tempfile, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.path.join(HERE, "bin")
SLEEPER, FLOOD, TICKER = (os.path.join(BIN, p) for p in ("sleeper", "flood", "ticker"))
VENV = os.environ.get("BENCH_VENV", os.path.join(os.path.dirname(os.path.abspath(__file__)), ".venv"))
NPM = os.environ.get("BENCH_NPM", os.path.join(os.path.dirname(os.path.abspath(__file__)), ".npm"))
EVLEN = 96
MiB = 1 << 20
ns = time.monotonic_ns


# ------------------------------------------------------------------ /proc ---
def read(path, default=""):
    try:
        with open(path, "r", errors="replace") as f:
            return f.read()
    except OSError:
        return default

def proc_table():
    """{pid: (ppid, state)}"""
    t = {}
    for d in os.listdir("/proc"):
        if d.isdigit():
            s = read(f"/proc/{d}/stat")
            if s:
                f = s[s.rindex(")") + 2:].split()
                t[int(d)] = (int(f[1]), f[0])
    return t

def descendants(root, table=None):
    table = table or proc_table()
    kids = {}
    for p, (pp, _) in table.items():
        kids.setdefault(pp, []).append(p)
    out, todo = [], [root]
    while todo:
        for k in kids.get(todo.pop(), ()):
            out.append(k)
            todo.append(k)
    return out

def exe(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""

def is_workload(pid):
    b = os.path.basename(exe(pid).replace(" (deleted)", ""))
    return b.split(".")[0] in ("sleeper", "flood", "ticker")

def alive(pid):
    s = read(f"/proc/{pid}/stat")
    return bool(s) and s[s.rindex(")") + 2] not in "ZX"

def cpu_ns(pids):
    """Exact CPU ns used so far by live processes (all their live threads)."""
    tot = 0
    for p in pids:
        try:
            for t in os.listdir(f"/proc/{p}/task"):
                s = read(f"/proc/{p}/task/{t}/schedstat")
                if s:
                    tot += int(s.split()[0])
        except OSError:
            pass
    return tot

def cpu_ticks(pids):
    tot = 0
    for p in pids:
        s = read(f"/proc/{p}/stat")
        if s:
            f = s[s.rindex(")") + 2:].split()
            tot += int(f[11]) + int(f[12])
    return tot / os.sysconf("SC_CLK_TCK")

def ctxsw(pids):
    v = n = 0
    for p in pids:
        try:
            for t in os.listdir(f"/proc/{p}/task"):
                s = read(f"/proc/{p}/task/{t}/status")
                m = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", s, re.M)
                k = re.search(r"^nonvoluntary_ctxt_switches:\s+(\d+)", s, re.M)
                v += int(m.group(1)) if m else 0
                n += int(k.group(1)) if k else 0
        except OSError:
            pass
    return v, n

def mem_kb(pids):
    """RSS and PSS.  The kernel shows the PSS of a process that is not dumpable
    to CAP_SYS_PTRACE only; without it its RSS is counted, which is never less."""
    rss = pss = 0
    for p in pids:
        s = read(f"/proc/{p}/smaps_rollup")
        m = re.search(r"^Rss:\s+(\d+)", s, re.M) or re.search(r"^VmRSS:\s+(\d+)", read(f"/proc/{p}/status"), re.M)
        k = re.search(r"^Pss:\s+(\d+)", s, re.M)
        rss += int(m.group(1)) if m else 0
        pss += int(k.group(1)) if k else int(m.group(1)) if m else 0
    return rss, pss

def kernel_side_kb(pids):
    """Kernel memory that PSS does not see: page tables (VmPTE) and 16 KiB of
    stack per thread.  task_struct, fds and the like come on top."""
    pte = stacks = 0
    for p in pids:
        s = read(f"/proc/{p}/status")
        m, t = re.search(r"VmPTE:\s+(\d+)", s), re.search(r"Threads:\s+(\d+)", s)
        pte += int(m.group(1)) if m else 0
        stacks += 16 * int(t.group(1)) if t else 0
    return pte, stacks

def kernel_kb():
    d = {}
    for l in read("/proc/meminfo").splitlines():
        k, v = l.split(":")
        d[k] = int(v.split()[0])
    return {k: d.get(k, 0) for k in ("KernelStack", "PageTables", "SUnreclaim", "MemAvailable")}

def steal_and_busy():
    f = [int(x) for x in read("/proc/stat").splitlines()[0].split()[1:]]
    return {"user": f[0], "nice": f[1], "sys": f[2], "idle": f[3], "iowait": f[4],
            "irq": f[5], "softirq": f[6], "steal": f[7] if len(f) > 7 else 0}

def summary(xs, nd=3):
    xs = [x for x in xs if x is not None]
    if not xs:
        return {"n": 0}
    return {"n": len(xs), "min": round(min(xs), nd), "median": round(statistics.median(xs), nd),
            "max": round(max(xs), nd), "mean": round(statistics.fmean(xs), nd)}


# ----------------------------------------------------------------- events ---
class Events:
    def __init__(self, path):
        self.path = path
        open(path, "w").close()
        self.off = 0
        self.rows = []          # (kind, name, pid, ppid, t, arg)

    def count(self):
        return os.stat(self.path).st_size // EVLEN

    def poll(self):
        with open(self.path, "rb") as f:
            f.seek(self.off)
            data = f.read()
        n = len(data) // EVLEN * EVLEN
        for i in range(0, n, EVLEN):
            p = data[i:i + EVLEN].decode("latin1").split()
            if len(p) >= 5:
                self.rows.append((p[0], p[1], int(p[2]), int(p[3]), int(p[4]),
                                  p[5] if len(p) > 5 else ""))
        self.off += n
        return self.rows

    def wait(self, name, since, kind="S", timeout=30.0, arg=None, notpid=None):
        """First event of `name` at or after `since` (ns)."""
        end = time.monotonic() + timeout
        seen = 0
        while True:
            rows = self.poll()
            for r in rows[seen:]:
                if (r[0] == kind and r[1] == name and r[4] >= since
                        and (arg is None or r[5] == arg) and r[2] != notpid):
                    return r
            seen = len(rows)
            if time.monotonic() > end:
                return None
            time.sleep(0.002)

    def wait_n(self, n, timeout=300.0, stall=15.0):
        """Until n start events; gives up after `stall` seconds without a new
        one (eight times that before the first)."""
        end, last, lastt = time.monotonic() + timeout, -1, time.monotonic()
        while True:
            c = self.count()
            if c >= n:
                return True
            if c != last:
                last, lastt = c, time.monotonic()
            if time.monotonic() > end or time.monotonic() - lastt > (stall if c else 8 * stall):
                return False
            time.sleep(0.02)

    def starts(self):
        return [r for r in self.poll() if r[0] == "S"]


# --------------------------------------------------------------- adapters ---
class Adapter:
    """One supervisor.  Paths: self.root (scratch).  All commands go through
    self.cli() so that their CPU time is known."""
    name = "?"
    poll_s = 0.0                 # period of its own directory scan, 0 = none
    has_per_service = False      # one helper process per service?
    log_modes = []               # labels understood by prepare(log=...)
    tick_log = None              # log mode for the supervisor-death test
    max_n = 5000
    drop_how = edit_how = remove_how = "automatic"

    def __init__(self, base):
        self.root = tempfile.mkdtemp(prefix=f"sb-{self.name.replace('+','_')}-", dir=base)
        os.chmod(self.root, 0o755)
        self.ev = Events(os.path.join(self.root, "events"))
        self.env = dict(os.environ, BENCH_EVENTS=self.ev.path)
        self.top = None
        self.popens = []
        self.cli_cpu = 0.0
        self.cli_wall = 0.0
        self.n_hint = 0
        self.out = open(os.path.join(self.root, "supervisor.out"), "ab")
        self.setup()

    # -- to override
    def setup(self): pass
    def start(self): raise NotImplementedError
    def prepare(self, name, argv=None, arg="v1", log=None): raise NotImplementedError
    def appear(self, names): raise NotImplementedError        # -> t0 (ns)
    def place(self, names): self.appear(names)                # before start(): no commands
    def edit(self, name, arg): raise NotImplementedError      # -> t0
    def remove(self, name): raise NotImplementedError         # -> t0
    def status_cmds(self, names): return []
    def log_files(self, name): return []                      # oldest first
    def service_supervisor(self, name, table): return None    # pid
    def logger_pid(self, name, table): return None
    def ready(self, timeout=20): time.sleep(0.5)
    def restart_top(self): self.start()
    @classmethod
    def version(cls): return "?"

    # -- helpers
    def spawn(self, argv, **kw):
        p = subprocess.Popen(argv, env=self.env, stdin=subprocess.DEVNULL,
                             stdout=self.out, stderr=self.out, **kw)
        self.popens.append(p)
        return p.pid

    def cli(self, argv, wait=True):
        t = time.monotonic()
        p = subprocess.Popen(argv, env=self.env, stdin=subprocess.DEVNULL,
                             stdout=self.out, stderr=self.out, cwd=self.root)
        _, st, ru = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(st)
        self.cli_cpu += ru.ru_utime + ru.ru_stime
        self.cli_wall += time.monotonic() - t
        return p.returncode

    def sup_pids(self):
        """Supervisor-side processes: top and its descendants, minus workloads."""
        if not self.top:
            return []
        return [p for p in [self.top] + descendants(self.top) if not is_workload(p)]

    def svc_pids(self):
        return [p for p in descendants(os.getpid()) if is_workload(p)]

    def destroy(self):
        me = os.getpid()
        for rnd in range(400):
            kids = descendants(me)
            if not kids:
                break
            order = sorted(kids, key=lambda p: (p != self.top, is_workload(p) if len(kids) < 20000 else 0))
            for p in order:
                try:
                    os.kill(p, signal.SIGKILL)
                except OSError:
                    pass
            for p in self.popens:
                p.poll()
            while True:
                try:
                    if os.waitpid(-1, os.WNOHANG)[0] == 0:
                        break
                except OSError:
                    break
            time.sleep(0.02)
        self.popens = []
        self.out.close()
        if not os.environ.get("BENCH_KEEP"):
            shutil.rmtree(self.root, ignore_errors=True)


def atomic_write(path, text, mode=0o644):
    tmp = os.path.join(os.path.dirname(path), ".tmp." + os.path.basename(path))
    with open(tmp, "w") as f:
        f.write(text)
    os.chmod(tmp, mode)
    os.rename(tmp, path)


class Limit(Adapter):
    """Floor: a 150-line C watcher (inotify + posix_spawn), see src/limitd.c."""
    name = "limit"
    def setup(self):
        self.dir = os.path.join(self.root, "d")
        self.stage = os.path.join(self.root, "stage")
        os.mkdir(self.dir); os.mkdir(self.stage)
    def start(self):
        self.top = self.spawn([os.path.join(BIN, "limitd"), self.dir, SLEEPER])
    def prepare(self, name, argv=None, arg="v1", log=None):
        atomic_write(os.path.join(self.stage, name), arg)
    def appear(self, names):
        t0 = ns()
        for n in names:
            os.rename(os.path.join(self.stage, n), os.path.join(self.dir, n))
        return t0
    def edit(self, name, arg):
        self.prepare(name, arg=arg)
        return self.appear([name])
    def remove(self, name):
        t0 = ns()
        os.unlink(os.path.join(self.dir, name))
        return t0
    @classmethod
    def version(cls): return "src/limitd.c"


class DirAdapter(Adapter):
    """Common to daemontools, runit, s6: a directory per service with ./run,
    symlinked into the scan directory.  style 'direct': ./run is a symlink to
    the static program; 'sh': ./run is a two-line /bin/sh script."""
    has_per_service = True
    style = "direct"
    supervise_name = "supervise"
    def setup(self):
        self.scan = os.path.join(self.root, "service")
        self.sv = os.path.join(self.root, "sv")
        os.mkdir(self.scan); os.mkdir(self.sv)
    def prepare(self, name, argv=None, arg="v1", log=None):
        d = os.path.join(self.sv, name)
        os.makedirs(d, exist_ok=True)
        run = os.path.join(d, "run")
        if argv is None and self.style == "direct":
            os.symlink(f"{SLEEPER}.{arg}", run + ".new")
            os.rename(run + ".new", run)
        else:
            argv = argv or [SLEEPER, name, arg]
            atomic_write(run, "#!/bin/sh\nexec " + shlex.join(argv) + "\n", 0o755)
        if log:
            os.makedirs(os.path.join(d, "log", "main"), exist_ok=True)
            atomic_write(os.path.join(d, "log", "run"),
                         "#!/bin/sh\nexec " + self.logger(log, d) + "\n", 0o755)
    def logger(self, mode, d): return mode + " ./main"
    def place(self, names):
        for n in names:
            os.symlink(f"../sv/{n}", os.path.join(self.scan, n))
    def appear(self, names):
        t0 = ns()
        self.place(names)
        self.after_appear()
        return t0
    def after_appear(self): pass
    def d(self, name): return os.path.join(self.scan, name)
    def log_files(self, name):
        m = os.path.join(self.sv, name, "log", "main")
        return sorted(glob.glob(m + "/@*")) + [os.path.join(m, "current")]
    def service_supervisor(self, name, table):
        for p in table:
            if os.path.basename(exe(p)) == self.supervise_name and \
                    name in read(f"/proc/{p}/cmdline").split("\0") and alive(p):
                return p
    def logger_pid(self, name, table):
        want = os.path.join(self.sv, name, "log")
        for p in table:
            try:
                if os.readlink(f"/proc/{p}/cwd").startswith(want) and \
                        os.path.basename(exe(p)) in ("multilog", "svlogd", "s6-log"):
                    return p
            except OSError:
                pass


class Daemontools(DirAdapter):
    name = "daemontools"
    poll_s = 5.0
    log_modes = ["multilog", "multilog t"]
    tick_log = "multilog t"
    drop_how = "automatic: svscan re-reads the directory every 5 s"
    edit_how = "manual: svc -t DIR"
    remove_how = "manual: rm LINK; svc -dx DIR"
    def start(self): self.top = self.spawn(["svscan", self.scan])
    def logger(self, mode, d): return mode + " s10485760 n5 ./main"
    def edit(self, name, arg):
        self.prepare(name, arg=arg)
        t0 = ns()
        self.cli(["svc", "-t", self.d(name)])
        return t0
    def remove(self, name):
        t0 = ns()
        os.unlink(self.d(name))
        self.cli(["svc", "-dx", os.path.join(self.sv, name)])
        return t0
    def status_cmds(self, names): return [["svstat"] + [self.d(n) for n in names]]
    @classmethod
    def version(cls): return dpkg("daemontools")

class DaemontoolsSh(Daemontools):
    name, style = "daemontools+sh", "sh"


class Runit(DirAdapter):
    name = "runit"
    poll_s = 5.0
    supervise_name = "runsv"
    log_modes = ["svlogd", "svlogd -tt"]
    tick_log = "svlogd -tt"
    drop_how = "automatic: runsvdir stats the directory every 5 s"
    edit_how = "manual: sv restart DIR"
    remove_how = "automatic: rm LINK (seen within 5 s)"
    def start(self): self.top = self.spawn(["runsvdir", self.scan])
    def logger(self, mode, d):
        atomic_write(os.path.join(d, "log", "main", "config"), "s10485760\nn5\n")
        return mode + " ./main"
    def edit(self, name, arg):
        self.prepare(name, arg=arg)
        t0 = ns()
        self.cli(["sv", "restart", self.d(name)])
        return t0
    def remove(self, name):
        t0 = ns()
        os.unlink(self.d(name))
        return t0
    def status_cmds(self, names): return [["sv", "status"] + [self.d(n) for n in names]]
    @classmethod
    def version(cls): return dpkg("runit")

class RunitSh(Runit):
    name, style = "runit+sh", "sh"


class S6(DirAdapter):
    name = "s6"
    supervise_name = "s6-supervise"
    log_modes = ["s6-log", "s6-log t", "s6-log T"]
    tick_log = "s6-log t"
    drop_how = "manual: s6-svscanctl -a SCANDIR (no automatic scan by default)"
    edit_how = "manual: s6-svc -r DIR"
    remove_how = "manual: rm LINK; s6-svscanctl -an SCANDIR"
    rescan = "0"
    def start(self):
        self.top = self.spawn(["s6-svscan", "-c", "6000", "-t", self.rescan, self.scan])
    def logger(self, mode, d): return mode + " n5 s10485760 ./main"
    def after_appear(self): self.cli(["s6-svscanctl", "-a", self.scan])
    def edit(self, name, arg):
        self.prepare(name, arg=arg)
        t0 = ns()
        self.cli(["s6-svc", "-r", self.d(name)])
        return t0
    def remove(self, name):
        t0 = ns()
        os.unlink(self.d(name))
        self.cli(["s6-svscanctl", "-an", self.scan])
        return t0
    def status_cmds(self, names):
        if len(names) == 1:
            return [["s6-svstat", self.d(names[0])]]
        return [["/bin/sh", "-c", 'for d; do s6-svstat "$d"; done', "sh"] + [self.d(n) for n in names]]
    @classmethod
    def version(cls): return dpkg("s6")

class S6Sh(S6):
    name, style = "s6+sh", "sh"

class S6Notify(S6):
    """With readiness notification: s6 restarts a service that was never
    'ready' only after a 1 s pause, a ready one at once."""
    name = "s6+notify"
    def setup(self):
        super().setup()
        self.env["BENCH_NOTIFY_FD"] = "3"
    def prepare(self, name, argv=None, arg="v1", log=None):
        super().prepare(name, argv, arg, log)
        atomic_write(os.path.join(self.sv, name, "notification-fd"), "3\n")

class S6Poll(S6):
    name, poll_s, rescan = "s6-t5000", 5.0, "5000"
    drop_how = "automatic: s6-svscan -t 5000"
    def after_appear(self): pass


class Supervisord(Adapter):
    name = "supervisord"
    log_modes = ["stdout_logfile"]
    tick_log = "stdout_logfile"
    drop_how = edit_how = remove_how = "manual: supervisorctl update"
    def setup(self):
        self.conf = os.path.join(self.root, "supervisord.conf")
        self.dir = os.path.join(self.root, "conf.d"); os.mkdir(self.dir)
        self.stage = os.path.join(self.root, "stage"); os.mkdir(self.stage)
        self.logs = os.path.join(self.root, "logs"); os.mkdir(self.logs)
        self.ctl = [f"{VENV}/bin/supervisorctl", "-c", self.conf]
    def write_conf(self):
        # minfds must cover the pipes, but every forked child closes that many
        # descriptors one by one, so it is kept at the default while that will do
        r, fds = self.root, max(1024, 3 * self.n_hint + 200)
        atomic_write(self.conf, f"""[supervisord]
nodaemon=true
silent=true
logfile={r}/supervisord.log
pidfile={r}/supervisord.pid
childlogdir={r}/logs
minfds={fds}
[unix_http_server]
file={r}/sup.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{r}/sup.sock
[include]
files={r}/conf.d/*.ini
""")
    def start(self):
        self.write_conf()
        self.top = self.spawn([f"{VENV}/bin/supervisord", "-c", self.conf])
    def ready(self, timeout=20):
        end = time.monotonic() + timeout
        while time.monotonic() < end and self.cli(self.ctl + ["pid"]) != 0:
            time.sleep(0.1)
    def prepare(self, name, argv=None, arg="v1", log=None):
        cmd = shlex.join(argv or [SLEEPER, name, arg])
        lg = (f"stdout_logfile={self.logs}/{name}.log\nstdout_logfile_maxbytes=10MB\n"
              "stdout_logfile_backups=5\n") if log else "stdout_logfile=NONE\n"
        atomic_write(os.path.join(self.stage, name + ".ini"),
                     f"[program:{name}]\ncommand={cmd}\nautorestart=true\nredirect_stderr=true\n{lg}")
    def place(self, names):
        for n in names:
            os.rename(f"{self.stage}/{n}.ini", f"{self.dir}/{n}.ini")
    def appear(self, names):
        t0 = ns()
        self.place(names)
        self.cli(self.ctl + ["update"])
        return t0
    def edit(self, name, arg):
        self.prepare(name, arg=arg)
        return self.appear([name])
    def remove(self, name):
        t0 = ns()
        os.unlink(f"{self.dir}/{name}.ini")
        self.cli(self.ctl + ["update"])
        return t0
    def status_cmds(self, names): return [self.ctl + ["status"] + (names if len(names) == 1 else [])]
    def log_files(self, name):
        b = f"{self.logs}/{name}.log"
        return [f"{b}.{i}" for i in range(9, 0, -1) if os.path.exists(f"{b}.{i}")] + [b]
    @classmethod
    def version(cls): return pip("supervisor")


class Circus(Adapter):
    name = "circus"
    log_modes = ["FileStream"]
    tick_log = "FileStream"
    drop_how = edit_how = remove_how = "manual: circusctl reloadconfig"
    def setup(self):
        self.conf = os.path.join(self.root, "circus.ini")
        self.dir = os.path.join(self.root, "conf.d"); os.mkdir(self.dir)
        self.stage = os.path.join(self.root, "stage"); os.mkdir(self.stage)
        self.logs = os.path.join(self.root, "logs"); os.mkdir(self.logs)
        r = self.root
        atomic_write(self.conf, f"""[circus]
endpoint=ipc://{r}/ctl
pubsub_endpoint=ipc://{r}/pub
include_dir={r}/conf.d
""")
        self.ctl = [f"{VENV}/bin/circusctl", "--endpoint", f"ipc://{r}/ctl", "--timeout", "120"]
    def start(self):
        self.top = self.spawn([f"{VENV}/bin/circusd", "--log-output", f"{self.root}/circus.log", self.conf])
    def ready(self, timeout=20):
        end = time.monotonic() + timeout
        while time.monotonic() < end and self.cli(self.ctl + ["dstats"]) != 0:
            time.sleep(0.1)
    def prepare(self, name, argv=None, arg="v1", log=None):
        cmd = shlex.join(argv or [SLEEPER, name, arg])
        lg = (f"stdout_stream.class=FileStream\nstdout_stream.filename={self.logs}/{name}.log\n"
              "stdout_stream.max_bytes=10485760\nstdout_stream.backup_count=5\n") if log else ""
        atomic_write(os.path.join(self.stage, name + ".ini"),
                     f"[watcher:{name}]\ncmd={cmd}\ncopy_env=True\n{lg}")
    def place(self, names):
        for n in names:
            os.rename(f"{self.stage}/{n}.ini", f"{self.dir}/{n}.ini")
    def appear(self, names):
        t0 = ns()
        self.place(names)
        self.cli(self.ctl + ["reloadconfig"])
        return t0
    def edit(self, name, arg):
        self.prepare(name, arg=arg)
        return self.appear([name])
    def remove(self, name):
        t0 = ns()
        os.unlink(f"{self.dir}/{name}.ini")
        self.cli(self.ctl + ["reloadconfig"])
        return t0
    def status_cmds(self, names): return [self.ctl + ["status"] + (names if len(names) == 1 else [])]
    def log_files(self, name):
        b = f"{self.logs}/{name}.log"
        return [f"{b}.{i}" for i in range(9, 0, -1) if os.path.exists(f"{b}.{i}")] + [b]
    @classmethod
    def version(cls): return pip("circus")


class Pm2(Adapter):
    name = "pm2"
    max_n = 1000
    log_modes = ["out_file (no rotation)"]
    tick_log = "out_file (no rotation)"
    drop_how = "manual: pm2 start FILE.json"
    edit_how = "manual: pm2 delete NAME; pm2 start FILE.json"
    remove_how = "manual: pm2 delete NAME"
    def setup(self):
        self.home = os.path.join(self.root, "pm2")
        self.dir = os.path.join(self.root, "apps"); os.mkdir(self.dir)
        self.logs = os.path.join(self.root, "logs"); os.mkdir(self.logs)
        self.env["PM2_HOME"] = self.home
        self.env["PM2_DISCRETE_MODE"] = "true"
        self.pm2 = [f"{NPM}/node_modules/.bin/pm2", "--silent"]
        self.apps = {}
        self.placed = []
    def start(self):
        # the God daemon daemonises itself; `pm2 ping` starts it
        self.cli(self.pm2 + ["ping"])
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                self.top = int(read(f"{self.home}/pm2.pid"))
                if alive(self.top):
                    break
            except ValueError:
                pass
            time.sleep(0.05)
        if self.placed:
            self.pm2_start(self.placed)
    def restart_top(self):
        self.placed = []
        self.start()
        self.cli(self.pm2 + ["resurrect"])
    def ready(self, timeout=20): pass
    def prepare(self, name, argv=None, arg="v1", log=None):
        argv = argv or [SLEEPER, name, arg]
        out = f"{self.logs}/{name}.log" if log else "/dev/null"
        self.apps[name] = {"name": name, "script": argv[0], "args": argv[1:], "interpreter": "none",
                           "exec_mode": "fork", "autorestart": True, "merge_logs": True,
                           "out_file": out, "error_file": "/dev/null", "cwd": self.root}
    def place(self, names): self.placed += names
    def pm2_start(self, names):
        f = os.path.join(self.dir, f"{names[0]}-{len(names)}.json")
        atomic_write(f, json.dumps({"apps": [self.apps[n] for n in names]}))
        self.cli(self.pm2 + ["start", f])
    def appear(self, names):
        t0 = ns()
        self.pm2_start(names)
        return t0
    def edit(self, name, arg):
        t0 = ns()
        self.cli(self.pm2 + ["delete", name])
        self.prepare(name, arg=arg)
        self.pm2_start([name])
        return t0
    def remove(self, name):
        t0 = ns()
        self.cli(self.pm2 + ["delete", name])
        return t0
    def status_cmds(self, names):
        return [[f"{NPM}/node_modules/.bin/pm2"] + (["describe", names[0]] if len(names) == 1 else ["jlist"])]
    def log_files(self, name): return [f"{self.logs}/{name}.log"]
    @classmethod
    def version(cls):
        try:
            return json.load(open(f"{NPM}/node_modules/pm2/package.json"))["version"]
        except OSError:
            return "not installed"


class Abide(Adapter):
    """The binary of this repository, or $ABIDE_BIN."""
    name = "abide"
    BIN_PATH = os.environ.get("ABIDE_BIN", os.path.join(HERE, "..", "target", "release", "abide"))
    RUN_ARGS = ["run", "--runtime-dir", "{runtime}", "--state-dir", "{state}", "--log-dir", "{logs}", "{services}"]
    STATUS_ARGS = ["status", "--runtime-dir", "{runtime}"]
    # A service's environment is clean: what the workload needs to stamp its start is passed on by name.
    TOML = "command = {argv}\ninherit_environment = [\"BENCH_EVENTS\"]\n"
    # appended when logging: the mode is a format, and "separate" for a pipe of stderr's own
    TOML_LOG = "\n[log]\nformat = \"{format}\"\nstderr = \"{stderr}\"\nmax_size = \"10MiB\"\nmax_files = 5\n"
    log_modes = ["plain", "text", "text separate", "json", "tai64n"]
    tick_log = "plain"
    has_per_service = False      # three processes whatever the number of services
    max_n = 10000
    remove_how = "automatic; a file must be missing for 2 s before that counts as deleted"
    def setup(self):
        self.paths = {}
        for k in ("services", "runtime", "state", "logs", "stage"):
            self.paths[k] = os.path.join(self.root, k)
            os.mkdir(self.paths[k])
    def _args(self, xs): return [self.BIN_PATH] + [x.format(**self.paths) for x in xs]
    def start(self): self.top = self.spawn(self._args(self.RUN_ARGS))
    def log_part(self, mode):
        if not mode:
            return ""
        words = mode.split()
        stderr = "separate" if "separate" in words else "merge"
        return self.TOML_LOG.format(format=words[0], stderr=stderr)
    def prepare(self, name, argv=None, arg="v1", log=None):
        argv = argv or [SLEEPER, name, arg]
        atomic_write(f"{self.paths['stage']}/{name}.toml",
                     self.TOML.format(argv=json.dumps(argv), name=name) + self.log_part(log))
    def place(self, names):
        for n in names:
            os.rename(f"{self.paths['stage']}/{n}.toml", f"{self.paths['services']}/{n}.toml")
    def appear(self, names):
        t0 = ns()
        self.place(names)
        return t0
    def edit(self, name, arg):
        self.prepare(name, arg=arg)
        return self.appear([name])
    def remove(self, name):
        t0 = ns()
        os.unlink(f"{self.paths['services']}/{name}.toml")
        return t0
    def status_cmds(self, names):
        return [self._args(self.STATUS_ARGS) + (names if len(names) == 1 else [])]
    def log_files(self, name):   # oldest first, the live one last
        d = f"{self.paths['logs']}/{name}"
        return sorted(glob.glob(d + "/@*")) + [d + "/current"]
    @classmethod
    def version(cls):
        try:
            return subprocess.run([cls.BIN_PATH, "--version"], capture_output=True, text=True).stdout.strip()
        except OSError:
            return "not built"

class AbideLegacy(DirAdapter):
    """The same binary on a daemontools-style scan directory; `log/` is not for this release."""
    name = "abide-legacy"
    has_per_service = False
    remove_how = Abide.remove_how
    def setup(self):
        super().setup()
        self.paths = {"services": self.scan}
        for k in ("runtime", "state", "logs"):
            self.paths[k] = os.path.join(self.root, k)
            os.mkdir(self.paths[k])
    _args = Abide._args
    BIN_PATH, RUN_ARGS, STATUS_ARGS = Abide.BIN_PATH, Abide.RUN_ARGS, Abide.STATUS_ARGS
    start = Abide.start
    status_cmds = Abide.status_cmds
    def edit(self, name, arg):
        t0 = ns()
        self.prepare(name, arg=arg)
        return t0
    def remove(self, name):
        t0 = ns()
        os.unlink(self.d(name))
        return t0
    version = Abide.version


SYSTEMS = {c.name: c for c in (Limit, Daemontools, Runit, S6, S6Notify, S6Poll, Supervisord, Circus, Pm2,
                               DaemontoolsSh, RunitSh, S6Sh, Abide, AbideLegacy)}
DEFAULT = ["limit", "daemontools", "runit", "s6", "supervisord", "circus", "pm2"]

def dpkg(p):
    r = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", p], capture_output=True, text=True)
    return r.stdout or "not installed"

def pip(p):
    g = glob.glob(f"{VENV}/lib/python3*/site-packages/{p}-*.dist-info")
    return re.search(rf"{p}-(.*)\.dist-info", g[0]).group(1) if g else "not installed"


# ------------------------------------------------------------ experiments ---
def names_for(prefix, n): return [f"{prefix}{i:05d}" for i in range(n)]

def phase_sleep(a, i, reps):
    """Spread the drops evenly over the poll period, so that a poller's latency
    is sampled over all phases instead of always right after a scan."""
    if a.poll_s:
        time.sleep(a.poll_s * ((i * 7 % reps) + random.random()) / reps)
    else:
        time.sleep(random.uniform(0.05, 0.35))

def wait_age(a, names, age=2.3):
    rows = a.ev.starts()
    last = max([r[4] for r in rows if r[1] in set(names)] or [0])
    time.sleep(max(0, age - (ns() - last) / 1e9))

def cur_pid(a, name):
    p = None
    for r in a.ev.starts():
        if r[1] == name:
            p = r[2]
    return p

def exp_latency(make, o):
    """1-4: drop, crash, edit, remove, on the same o.reps services."""
    a = make()
    r = {"drop_how": a.drop_how, "edit_how": a.edit_how, "remove_how": a.remove_how}
    try:
        a.start(); a.ready(); time.sleep(1.0)
        nm = names_for("lat", o.reps)
        for n in nm:
            a.prepare(n)
        drop, cli = [], []
        for i, n in enumerate(nm):
            phase_sleep(a, i, o.reps)
            w = a.cli_wall
            t0 = a.appear([n])
            e = a.ev.wait(n, t0)
            drop.append((e[4] - t0) / 1e6 if e else None)
            cli.append((a.cli_wall - w) * 1e3)
        r["drop_ms"] = drop
        r["drop_cli_ms"] = cli
        wait_age(a, nm)
        crash = []
        for n in nm:
            time.sleep(random.uniform(0.05, 0.4))
            p = cur_pid(a, n)
            if not p or not alive(p):
                crash.append(None); continue
            t0 = ns()
            os.kill(p, signal.SIGKILL)
            e = a.ev.wait(n, t0, notpid=p, timeout=20)
            crash.append((e[4] - t0) / 1e6 if e else None)
        r["crash_ms"] = crash
        wait_age(a, nm)
        edit, ok = [], 0
        for n in nm:
            time.sleep(random.uniform(0.05, 0.4))
            w = a.cli_wall
            p = cur_pid(a, n)
            t0 = a.edit(n, "v2")
            e = a.ev.wait(n, t0, notpid=p, timeout=20)
            edit.append((e[4] - t0) / 1e6 if e else None)
            ok += bool(e and e[5] == "v2")
        r["edit_ms"] = edit
        r["edit_new_definition_used"] = ok
        wait_age(a, nm)
        rem = []
        for i, n in enumerate(nm):
            phase_sleep(a, i, o.reps)
            p = cur_pid(a, n)
            if not p or not alive(p):
                rem.append(None); continue
            fd = os.pidfd_open(p)
            got = []
            def watch():
                pl = select.poll(); pl.register(fd, select.POLLIN)
                if pl.poll(20000):
                    got.append(ns())
            th = threading.Thread(target=watch); th.start()
            t0 = a.remove(n)
            th.join()
            os.close(fd)
            rem.append((got[0] - t0) / 1e6 if got else None)
        r["remove_ms"] = rem
        time.sleep(1.5)
        r["left_running_after_remove"] = sum(is_workload(p) and alive(p) for p in descendants(os.getpid()))
        for k in ("drop_ms", "drop_cli_ms", "crash_ms", "edit_ms", "remove_ms"):
            r[k + "_sum"] = summary(r[k])
    finally:
        a.destroy()
    return r

def exp_crash(make, o):
    """2 alone: `kill -9` to the first instruction of the next, on o.reps services that were there at boot."""
    a = make()
    try:
        nm = names_for("b", o.reps)
        load(a, o.reps, True)
        wait_age(a, nm)
        crash = []
        for n in nm:
            time.sleep(random.uniform(0.05, 0.3))
            p = cur_pid(a, n)
            if not p or not alive(p):
                continue
            t0 = ns()
            os.kill(p, signal.SIGKILL)
            e = a.ev.wait(n, t0, notpid=p, timeout=20)
            if e:
                crash.append((e[4] - t0) / 1e6)
        return {"runs": [{"n": len(crash), "crash_ms": summary(crash)}]}
    finally:
        a.destroy()

def load(a, n, boot, prefix="b"):
    """Load n services, either present at boot or dropped into a running
    supervisor.  Returns (wall s to the last main(), first-to-last s, started, sup s, svc s)."""
    nm = names_for(prefix, n)
    a.n_hint = n
    for x in nm:
        a.prepare(x)
    if boot:
        a.place(nm)
        t0 = ns()
        a.start()
        c0 = 0
    else:
        a.start(); a.ready(); time.sleep(1.0)
        c0 = cpu_ns(a.sup_pids())
        a.cli_cpu = 0.0
        if a.poll_s:
            time.sleep(random.uniform(0, a.poll_s))
        t0 = a.appear(nm)
    a.ev.wait_n(n, timeout=420, stall=max(20, 2 * a.poll_s))
    sup = cpu_ns(a.sup_pids()) - c0
    svc = cpu_ns(a.svc_pids())
    st = a.ev.starts()
    ts = sorted(r[4] for r in st)
    distinct = len({r[1] for r in st})
    return {"n": n, "started": distinct, "starts": len(st),
            "wall_s": (ts[-1] - t0) / 1e9 if ts else None,
            "first_s": (ts[0] - t0) / 1e9 if ts else None,
            "spread_s": (ts[-1] - ts[0]) / 1e9 if ts else None,
            "sup_cpu_s": sup / 1e9, "svc_cpu_s": svc / 1e9, "cli_cpu_s": a.cli_cpu,
            "sup_procs": len(a.sup_pids())}, nm

def exp_bulk(make, o):
    """5: bulk start at each N, both as a drop and as a boot."""
    out = []
    for n in o.n:
        for mode in o.modes:
            a = make()
            try:
                if n > a.max_n:
                    out.append({"n": n, "mode": mode, "skipped": f"adapter limit {a.max_n}"})
                    continue
                d, _ = load(a, n, mode == "boot")
                d["mode"] = mode
                out.append(d)
            finally:
                a.destroy()
    return {"runs": out}

def exp_spawnloop(make, o):
    """5, floor: a bare posix_spawn loop of the same program."""
    out = []
    for n in o.n:
        a = make()
        try:
            t0 = ns()
            a.top = a.spawn([os.path.join(BIN, "spawnloop"), SLEEPER, str(n), "p"])
            a.ev.wait_n(n + 2, timeout=120)
            st = a.ev.starts()
            out.append({"n": n, "mode": "boot", "started": len(st), "starts": len(st),
                        "wall_s": (max(r[4] for r in st) - t0) / 1e9,
                        "spread_s": (max(r[4] for r in st) - min(r[4] for r in st)) / 1e9,
                        "sup_cpu_s": cpu_ns([a.top]) / 1e9, "svc_cpu_s": cpu_ns(a.svc_pids()) / 1e9,
                        "cli_cpu_s": 0, "sup_procs": 1})
        finally:
            a.destroy()
    return {"runs": out}

def exp_loaded(make, o):
    """6, 7, 11 (and a bulk boot sample): memory, idle cost, status commands at N."""
    out = []
    for n in o.n:
        a = make()
        try:
            if n > a.max_n:
                out.append({"n": n, "skipped": f"adapter limit {a.max_n}"})
                continue
            k0 = kernel_kb()
            d, nm = load(a, n, True)
            time.sleep(6)
            pids = a.sup_pids()
            d["procs"] = len(pids)
            d["rss_kb"], d["pss_kb"] = mem_kb(pids)
            d["pte_kb"], d["kstack_kb"] = kernel_side_kb(pids)
            k1 = kernel_kb()
            d["kernel_kb"] = {k: k1[k] - k0[k] for k in k0}
            if n >= o.idle_min_n:
                c0, t0, v0 = cpu_ns(pids), cpu_ticks(pids), ctxsw(pids)
                b = ns()
                time.sleep(o.idle_s)
                c1, t1, v1 = cpu_ns(pids), cpu_ticks(pids), ctxsw(pids)
                d["idle"] = {"secs": (ns() - b) / 1e9, "cpu_ms": (c1 - c0) / 1e6,
                             "utime_stime_s": round(t1 - t0, 2),
                             "vol_ctxsw": v1[0] - v0[0], "invol_ctxsw": v1[1] - v0[1]}
            tools = {}
            for label, sel in (("1", nm[:1]), ("100", nm[:100])):
                cmds = a.status_cmds(sel)
                if not cmds:
                    continue
                ws, cs = [], []
                for _ in range(o.tool_reps):
                    w, c = a.cli_wall, a.cli_cpu
                    rc = a.cli(cmds[0])
                    ws.append((a.cli_wall - w) * 1e3); cs.append((a.cli_cpu - c) * 1e3)
                tools[label] = {"cmd": " ".join(os.path.basename(x) for x in cmds[0][:3]),
                                "rc": rc, "wall_ms": summary(ws), "cpu_ms": summary(cs)}
            d["tools"] = tools
            out.append(d)
        finally:
            a.destroy()
    return {"runs": out}

def exp_single(make, o):
    """8: supervisor-side CPU to add one more service with N loaded."""
    out = []
    for n in o.n:
        a = make()
        try:
            if n > a.max_n:
                out.append({"n": n, "skipped": f"adapter limit {a.max_n}"})
                continue
            d, nm = load(a, n, True)
            time.sleep(4 if n < 500 else 8)
            extra = names_for("x", o.adds)
            for x in extra:
                a.prepare(x)
            c0, b = cpu_ns(a.sup_pids()), ns()
            time.sleep(10)
            idle_ms_per_s = (cpu_ns(a.sup_pids()) - c0) / 1e6 / ((ns() - b) / 1e9)
            gross, net, cli, lat = [], [], [], []
            for i, x in enumerate(extra):
                phase_sleep(a, i, o.adds)
                c0, w0, b = cpu_ns(a.sup_pids()), a.cli_cpu, ns()
                t0 = a.appear([x])
                e = a.ev.wait(x, t0, timeout=60)
                time.sleep(0.7)
                c1 = cpu_ns(a.sup_pids())
                secs = (ns() - b) / 1e9
                gross.append((c1 - c0) / 1e6)
                net.append((c1 - c0) / 1e6 - idle_ms_per_s * secs)
                cli.append((a.cli_cpu - w0) * 1e3)
                lat.append((e[4] - t0) / 1e6 if e else None)
            out.append({"n": n, "loaded": d["started"], "idle_ms_per_s": idle_ms_per_s,
                        "gross_ms": summary(gross), "net_ms": summary(net),
                        "cli_ms": summary(cli), "latency_ms": summary(lat)})
        finally:
            a.destroy()
    return {"runs": out}

def exp_edit(make, o):
    """Supervisor-side CPU for one edit that restarts one of N running services."""
    out = []
    for n in o.n:
        a = make()
        try:
            if n > a.max_n:
                out.append({"n": n, "skipped": f"adapter limit {a.max_n}"})
                continue
            d, nm = load(a, n, True)
            # Past the time in which a new version is on trial, and what a load leaves to do.
            time.sleep(12 if n < 2000 else 20)
            edited = random.sample(nm, min(o.adds, n))
            c0, b = cpu_ns(a.sup_pids()), ns()
            time.sleep(10)
            idle_ms_per_s = (cpu_ns(a.sup_pids()) - c0) / 1e6 / ((ns() - b) / 1e9)
            net, cli, lat = [], [], []
            for i, x in enumerate(edited):
                phase_sleep(a, i, len(edited))
                c0, w0, b = cpu_ns(a.sup_pids()), a.cli_cpu, ns()
                t0 = a.edit(x, f"v{i + 2}")
                e = a.ev.wait(x, t0, timeout=60)
                time.sleep(1.5)
                secs = (ns() - b) / 1e9
                net.append((cpu_ns(a.sup_pids()) - c0) / 1e6 - idle_ms_per_s * secs)
                cli.append((a.cli_cpu - w0) * 1e3)
                lat.append((e[4] - t0) / 1e6 if e else None)
            out.append({"n": n, "loaded": d["started"], "idle_ms_per_s": idle_ms_per_s, "edit_how": a.edit_how,
                        "net_ms": summary(net), "cli_ms": summary(cli), "latency_ms": summary(lat)})
        finally:
            a.destroy()
    return {"runs": out}

def tail_has(path, what):
    try:
        with open(path, "rb") as f:
            f.seek(0, 2)
            f.seek(max(0, f.tell() - 400))
            return what in f.read()
    except OSError:
        return False

def check_log(files, linelen):
    """Retained lines in sequence?  Returns lines, gaps, odd-length lines."""
    n = gaps = odd = 0
    prev = None
    rx = re.compile(rb"(?:^|[ \]])(\d{10}) ")
    size = 0
    for f in files:
        try:
            size += os.path.getsize(f)
            with open(f, "rb") as fh:
                for line in fh:
                    m = rx.search(line[:80])
                    if not m:
                        if b"END-OF-FLOOD" not in line:
                            odd += 1
                        continue
                    s = int(m.group(1))
                    if prev is not None and s != prev + 1:
                        gaps += 1
                    if len(line) - m.start(1) != linelen:
                        odd += 1
                    prev = s
                    n += 1
        except OSError:
            pass
    return {"retained_lines": n, "gaps": gaps, "odd_lines": odd, "retained_bytes": size}

def one_flood(make, mode, linelen, chunk, total, writers=1):
    """`writers` services write `total` bytes between them; done when the last line of each is in its log."""
    a = make()
    each = total // writers
    names = ["flood"] if writers == 1 else [f"flood{i}" for i in range(writers)]
    argv = [FLOOD, "flood", str(each), str(linelen), str(chunk)]
    try:
        if isinstance(a, Limit):
            fl = shlex.join(argv)
            logs = {n: os.path.join(a.root, "log-" + n) for n in names}
            for d in logs.values(): os.mkdir(d)
            ways = {"direct to file": "{} > {}/current", "cat > file": "{} | cat > {}/current"}
            way = ways.get(mode, "{} | " + BIN + "/rotcat {} 10485760 5")
            a.top = a.spawn(["/bin/sh", "-c", " & ".join(way.format(fl, d) for d in logs.values()) + "; wait"])
            getfiles = lambda n: sorted(glob.glob(logs[n] + "/old.*")) + [logs[n] + "/current"]
        else:
            m = mode
            if mode.startswith("svlogd") and linelen > 1000:
                m = mode + " -l 8192 -b 16384"      # default cuts lines at 1000 bytes
            for n in names: a.prepare(n, argv=argv, log=m)
            a.place(names)
            a.start()
            getfiles = lambda n: a.log_files(n)
        b = a.ev.wait("flood", 0, kind="B", timeout=30)
        if not b:
            return {"error": "flood did not start"}
        c0 = cpu_ns(a.sup_pids())
        end = time.monotonic() + 150
        left = list(names)
        while left and time.monotonic() < end:
            ended = lambda n: any(tail_has(f, b"END-OF-FLOOD") for f in getfiles(n)[-1:])
            if ended(left[-1]): left.pop()
            else: time.sleep(0.005)
        t1 = ns()
        sup = [p for p in descendants(os.getpid()) if not is_workload(p)]
        c1 = cpu_ns(sup)
        fc = cpu_ns(a.svc_pids())
        e = a.ev.wait("flood", 0, kind="E", timeout=0.05)
        secs = (t1 - b[4]) / 1e9
        r = {"mode": mode, "line": linelen, "chunk": chunk, "writers": writers, "bytes": each * writers, "done": not left,
             "secs": secs, "MBps": each * writers / 1e6 / secs if not left else None,
             "writer_secs": (e[4] - b[4]) / 1e9 if e else None,
             "logger_cpu_s": (c1 - c0) / 1e9, "writer_cpu_s": fc / 1e9}
        if each <= 64 * MiB:
            checks = [check_log(getfiles(n), linelen) for n in names]
            r["check"] = {k: sum(c[k] for c in checks) for k in checks[0]}
            r["files"] = sum(len(getfiles(n)) for n in names)
        return r
    finally:
        a.destroy()

def exp_log(make, o):
    """9: log throughput.  A 64 MiB calibration run (checked for lost lines)
    picks the volume of the timed runs: at most o.log_bytes, about o.log_secs."""
    a = make(); modes = a.log_modes; lim = isinstance(a, Limit); a.destroy()
    if lim:
        modes = ["direct to file", "cat > file", "rotcat (rotating)"]
    out = []
    for line in o.lines:
        for mode in modes:
            cal = one_flood(make, mode, line, o.chunk, 16 * MiB, o.writers)
            out.append(dict(cal, calibration=True))
            if not cal.get("MBps"):
                continue
            total = int(min(o.log_bytes, max(16 * MiB, cal["MBps"] * 1e6 * o.log_secs)))
            for _ in range(o.reps):
                out.append(one_flood(make, mode, line, o.chunk, total, o.writers))
    return {"runs": out}

def exp_trickle(make, o):
    """N services that say ten lines a second each: the CPU of supervisor and loggers, and of the writers."""
    a = make(); modes = a.log_modes[:2]; a.destroy()
    out = []
    for n in o.n:
        for mode in modes:
            a = make()
            try:
                td = os.path.join(a.root, "ticks"); os.mkdir(td)
                names = [f"tick{i}" for i in range(n)]
                for name in names: a.prepare(name, argv=[TICKER, name, "100000", td], log=mode)
                a.place(names)
                a.start()
                a.ev.wait_n(n, timeout=120)
                time.sleep(5)
                lines = lambda: sum(int((read(f).split() or [0])[0]) for f in glob.glob(td + "/*"))
                sup = [p for p in descendants(os.getpid()) if not is_workload(p)]
                c0, w0, l0, t0 = cpu_ns(sup), cpu_ns(a.svc_pids()), lines(), ns()
                time.sleep(o.idle_s)
                c1, w1, l1, t1 = cpu_ns(sup), cpu_ns(a.svc_pids()), lines(), ns()
                secs = (t1 - t0) / 1e9
                out.append({"n": n, "mode": mode, "secs": secs, "lines_per_s": (l1 - l0) / secs, "sup_procs": len(sup),
                            "sup_cpu_percent": (c1 - c0) / 1e7 / secs, "writer_cpu_percent": (w1 - w0) / 1e7 / secs,
                            "sup_us_per_line": (c1 - c0) / 1e3 / max(1, l1 - l0)})
            finally:
                a.destroy()
    return {"runs": out}

def tick_state(a, ticks_dir):
    w = {}
    for f in glob.glob(ticks_dir + "/tick.*"):
        try:
            w[int(f.rsplit(".", 1)[1])] = int(read(f).split()[0])
        except (ValueError, IndexError):
            pass
    return w

def tick_log_lines(a):
    """{pid: [seq...]} found in the log of the ticker"""
    got = {}
    for f in a.log_files("tick"):
        for m in re.finditer(r"tick (\d+) (\d+) of a small log line", read(f)):
            got.setdefault(int(m.group(1)), []).append(int(m.group(2)))
    return got

def live(name):
    out = []
    for p in descendants(os.getpid()):
        if is_workload(p) and alive(p):
            c = read(f"/proc/{p}/cmdline").split("\0")
            if name in c[:2] or os.path.basename(os.path.realpath(f"/proc/{p}/cwd")) == name and "run" in c[0]:
                out.append(p)
    return out

def reap(a):
    for p in a.popens:
        p.poll()
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except OSError:
        pass

def exp_death(make, o):
    """10: facts after kill -9 of the top, of the per-service helper, of the logger."""
    probe = make(); victims = ["top"] + (["helper", "logger"] if probe.has_per_service else [])
    log = probe.tick_log; probe.destroy()
    out = []
    for victim in victims:
        a = make()
        try:
            td = os.path.join(a.root, "ticks"); os.mkdir(td)
            a.prepare("plain")
            a.prepare("tick", argv=[TICKER, "tick", "10000", td], log=log)
            a.prepare("gone")
            a.place(["plain", "tick", "gone"])
            a.start()
            r = {"victim": victim, "log": log}
            e1 = a.ev.wait("plain", 0, timeout=20); e2 = a.ev.wait("tick", 0, timeout=20)
            if not (e1 and e2):
                r["error"] = "did not start"; out.append(r); continue
            time.sleep(3)
            if isinstance(a, Pm2):
                a.cli(a.pm2 + ["save"])
            p0, t0 = e1[2], e2[2]
            table = proc_table()
            tk = ns()
            if victim == "top":
                vs = [a.top]
            elif victim == "helper":
                vs = [a.service_supervisor(x, table) for x in ("plain", "tick", "gone")]
            else:
                vs = [a.logger_pid("tick", table)]
            r["killed"] = [os.path.basename(exe(v)) for v in vs if v]
            for v in vs:
                if v:
                    os.kill(v, signal.SIGKILL)
            time.sleep(3); reap(a)
            r["after_3s"] = {"plain_same_pid": p0 in live("plain"), "plain_instances": len(live("plain")),
                             "tick_same_pid": t0 in live("tick"), "tick_instances": len(live("tick")),
                             "sigpipe_deaths": sum(x[0] == "P" for x in a.ev.poll())}
            if victim == "top":
                old = a.top
                a.restart_top()
                r["top_restarted"] = a.top != old
            time.sleep(9); reap(a)
            lp, lt = live("plain"), live("tick")
            r["after_restart"] = {"plain_same_pid": p0 in lp, "plain_instances": len(lp),
                                  "tick_same_pid": t0 in lt, "tick_instances": len(lt),
                                  "top_alive": alive(a.top),
                                  "sigpipe_deaths": sum(x[0] == "P" for x in a.ev.poll())}
            st = a.status_cmds(["plain"])
            if st:
                x = subprocess.run(st[0], env=a.env, capture_output=True, text=True)
                txt = re.sub(r"\x1b\[[0-9;]*m", "", x.stdout + x.stderr).strip().replace(a.root, "")
                txt = re.sub(r"[\u2500-\u257f]+", "", txt)
                txt = " ".join(txt.split())
                r["status_says"] = txt[:120]
                r["status_names_live_pid"] = any(str(q) in txt for q in lp)
            # is the survivor really supervised?  kill it and look
            for q in lp:
                os.kill(q, signal.SIGKILL)
            tq = ns()
            e = a.ev.wait("plain", tq, timeout=8)
            time.sleep(0.5); reap(a)
            r["after_killing_service"] = {"restarted": bool(e), "instances": len(live("plain")),
                                          "ms": (e[4] - tq) / 1e6 if e else None}
            # does removing a definition still stop its process?
            a.remove("gone")
            end = time.monotonic() + 8
            while live("gone") and time.monotonic() < end:
                time.sleep(0.1)
            reap(a)
            r["removal_stops_it"] = not live("gone")
            time.sleep(1.5)
            wrote, got = tick_state(a, td), tick_log_lines(a)
            lost = {}
            for p, w in wrote.items():
                s = set(got.get(p, ()))
                n = sum(1 for i in range(1, w + 1) if i not in s)
                # lines the live writer has in flight do not count
                lost[p] = max(0, n - (3 if alive(p) else 0))
            r["lines"] = {"written": sum(wrote.values()), "lost": sum(lost.values()),
                          "writers": len(wrote), "old_writer_lost": lost.get(t0, 0),
                          "new_writers_lost": sum(v for p, v in lost.items() if p != t0)}
            out.append(r)
        finally:
            a.destroy()
    return {"runs": out}


EXPS = {"latency": exp_latency, "crash": exp_crash, "bulk": exp_bulk, "spawnloop": exp_spawnloop, "loaded": exp_loaded,
        "single": exp_single, "edit": exp_edit, "log": exp_log, "trickle": exp_trickle, "death": exp_death}


# ------------------------------------------------------------------- main ---
def machine(root):
    fs = subprocess.run(["stat", "-f", "-c", "%T", root], capture_output=True, text=True).stdout.strip()
    m = re.search(r"model name\s*:\s*(.*)", read("/proc/cpuinfo"))
    return {"kernel": os.uname().release, "cpu": m.group(1) if m else "?", "cpus": os.cpu_count(),
            "mem_gib": round(int(read("/proc/meminfo").split()[1]) / MiB, 1), "fs": fs,
            "pid_max": int(read("/proc/sys/kernel/pid_max") or 0), "python": sys.version.split()[0]}

def cmd_run(o):
    libc = ctypes.CDLL(None)
    libc.prctl(36, 1, 0, 0, 0)                      # PR_SET_CHILD_SUBREAPER
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (65536, 65536))
    except (ValueError, OSError):
        pass
    os.makedirs(o.out, exist_ok=True)
    o.n = [int(x) for x in str(o.n).split(",")]
    o.lines = [int(x) for x in str(o.lines).split(",")]
    o.modes = o.modes.split(",")
    systems = o.systems.split(",") if o.systems else DEFAULT
    for exp in o.exp.split(","):
        f = EXPS[exp]
        path = os.path.join(o.out, f"{o.tag or exp}.json")
        doc = {"exp": exp, "date": o.date, "machine": machine(o.root), "rounds": [],
               "options": {k: v for k, v in vars(o).items() if k not in ("fn", "root", "out")},
               "versions": {s: SYSTEMS[s].version() for s in systems}}
        # interleave: every round visits every system, so that drift hits all alike
        for rnd in range(o.rounds):
            for s in systems:
                b, st = time.monotonic(), steal_and_busy()
                print(f"[{time.strftime('%H:%M:%S')}] {exp} round {rnd} {s} load {read('/proc/loadavg').split()[0]}",
                      flush=True)
                try:
                    res = f(lambda: SYSTEMS[s](o.root), o)
                except Exception as ex:          # keep the other systems' results
                    import traceback; traceback.print_exc()
                    res = {"error": repr(ex)}
                en = steal_and_busy()
                doc["rounds"].append({"system": s, "round": rnd, "secs": round(time.monotonic() - b, 1),
                                      "steal_ticks": en["steal"] - st["steal"], "result": res})
                with open(path + ".tmp", "w") as fh:
                    json.dump(doc, fh, indent=1)
                os.rename(path + ".tmp", path)
                brief(exp, s, res)
        print("wrote", os.path.relpath(path, HERE))

def brief(exp, s, r):
    if "error" in r:
        print("   ERROR", r["error"]); return
    if exp == "latency":
        for k in ("drop_ms", "crash_ms", "edit_ms", "remove_ms"):
            print(f"   {s:14s} {k:10s}", r.get(k + "_sum"))
    else:
        for x in r["runs"]:
            print("  ", s, json.dumps({k: (round(v, 3) if isinstance(v, float) else v) for k, v in x.items()})[:900])
    sys.stdout.flush()

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(dest="cmd", required=True)
    r = sub.add_parser("run")
    r.add_argument("--exp", required=True, help=",".join(EXPS))
    r.add_argument("--systems", default="")
    r.add_argument("--reps", type=int, default=10)
    r.add_argument("--rounds", type=int, default=1)
    r.add_argument("--n", default="100")
    r.add_argument("--modes", default="boot,drop")
    r.add_argument("--lines", default="100")
    r.add_argument("--chunk", type=int, default=65536)
    r.add_argument("--writers", type=int, default=1)
    r.add_argument("--log-bytes", type=int, default=1 << 30)
    r.add_argument("--log-secs", type=float, default=12)
    r.add_argument("--idle-s", type=float, default=30)
    r.add_argument("--idle-min-n", type=int, default=1000)
    r.add_argument("--tool-reps", type=int, default=15)
    r.add_argument("--adds", type=int, default=5)
    r.add_argument("--root", default="/dev/shm" if os.path.isdir("/dev/shm") else "/tmp")
    r.add_argument("--out", default=os.path.join(HERE, "raw"))
    r.add_argument("--tag", default="")
    r.add_argument("--date", default=time.strftime("%Y-%m-%d"))
    r.set_defaults(fn=cmd_run)
    l = sub.add_parser("list")
    l.set_defaults(fn=lambda o: [print(f"{k:16s} {c.version()}") for k, c in SYSTEMS.items()])
    t = sub.add_parser("report")
    t.add_argument("files", nargs="+")
    t.set_defaults(fn=lambda o: __import__("report").main(o.files))
    o = p.parse_args()
    o.fn(o)

if __name__ == "__main__":
    main()
