"""Reads configuration files with the real supervisor and says what it made of them.

The first line of its output tells of the machine. Then a line of JSON on standard input is a case: {"main": name,
"files": {name: text}}, names relative to the working directory. A line of JSON on standard output is the answer:
{"error": text}, or what was read.
"""

import json
import os
import platform
import shlex
import sys
import tempfile

from supervisor.datatypes import Automatic, RestartUnconditionally, RestartWhenExitUnexpected
from supervisor.options import ServerOptions


class Refused(Exception):
    """The text that the real one would end with."""


class Options(ServerOptions):
    def usage(self, msg):
        raise Refused(msg)


def plain(value):
    if value is Automatic:
        return "auto"
    if value is RestartWhenExitUnexpected:
        return "unexpected"
    if value is RestartUnconditionally:
        return True
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def process(config):
    names = config.req_param_names + config.optional_param_names
    said = {name: plain(getattr(config, name)) for name in names}
    said["stopsignal"] = int(said["stopsignal"])
    try:
        said["words"] = shlex.split(config.command)
    except ValueError:
        said["words"] = None
    return said


def group(config):
    said = {
        "kind": type(config).__name__,
        "name": config.name,
        "priority": config.priority,
        "processes": [process(p) for p in config.process_configs],
    }
    if hasattr(config, "pool_events"):
        names = [n for e in config.pool_events for n in event_names(e)]
        said.update(events=sorted(names), buffer_size=config.buffer_size)
    if hasattr(config, "socket_config"):
        socket = config.socket_config
        said["socket"] = {
            "url": socket.url,
            "backlog": socket.get_backlog(),
            "mode": getattr(socket, "mode", None),
            "owner": plain(getattr(socket, "owner", None)),
        }
    return said


def event_names(event):
    from supervisor.events import EventTypes

    return [name for name, it in vars(EventTypes).items() if it is event]


def server(config):
    keep = ("host", "port", "file", "chmod", "chown", "username", "password", "section")
    return {key: plain(config[key]) for key in keep if key in config}


DAEMON = (
    "directory umask logfile_maxbytes logfile_backups loglevel nodaemon silent minfds minprocs nocleanup "
    "childlogdir user strip_ansi environment identifier logfile pidfile"
).split()


def read(case):
    written = []
    for name, text in case["files"].items():
        directory = os.path.dirname(name)
        if directory:
            os.makedirs(directory, exist_ok=True)
        with open(name, "w", newline="", encoding="utf-8") as file:
            file.write(text)
        written.append(name)
    try:
        options = Options()
        options.realize(["-c", case["main"]])
        section = options.configroot.supervisord
        return {
            "groups": [group(g) for g in options.process_group_configs],
            "servers": [server(s) for s in section.server_configs],
            "daemon": {name: plain(getattr(section, name)) for name in DAEMON},
            "rpc": [[name, extra] for name, _, extra in section.rpcinterface_factories],
            "warnings": options.parse_warnings,
            "infos": options.parse_infos,
        }
    except Refused as why:
        return {"error": str(why)}
    except Exception as why:  # The real one ends with a traceback.
        return {"error": repr(why), "traceback": True}
    finally:
        for name in written:
            os.unlink(name)


def main():
    print(json.dumps({"host": platform.node(), "uid": os.getuid(), "tmp": tempfile.gettempdir()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(read(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
