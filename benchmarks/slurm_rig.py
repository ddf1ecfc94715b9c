"""A cluster of one machine, for benchmarks: PostgreSQL, munge, slurmctld, and a slurmd for each made-up host.

Nothing is installed: Slurm is fetched as Debian packages and unpacked into the rig's folder, PostgreSQL is that of the
machine. A host has a name, process ids and mounts of its own (namespaces), and shares the network and the store's
folder with the others. It dies as a machine does: all its processes at once, without a word.

    head     run workers (partition `light`)
    n1, n2   steps (partition `all`)

It needs Linux, root (for namespaces), Debian's apt-get and dpkg, and PostgreSQL's initdb.

Belongs here: the parts and their life. Does not belong here: what runs on them (`cluster`).
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

PACKAGES = (
    *("munge", "libmunge2", "slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins"),
    *("libhwloc15", "liblua5.1-0"),
)
#: Seconds without a word from a node after which Slurm takes it for dead.
NODE_TIMEOUT_S = 15
STEP_NODES, HEAD = ("n1", "n2"), "head"
#: Of each host, as Slurm is told; no job is held to it.
NODE_MEMORY_MB = 2000
_NOBODY = 65534
_CONF = """\
ClusterName=rig
SlurmctldHost={computer}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
PluginDir={root}/usr/lib/x86_64-linux-gnu/slurm-wlm
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerNode=100
SlurmdParameters=config_overrides
SchedulerParameters=bf_interval=2,sched_interval=2
ReturnToService=2
SlurmdTimeout={timeout}
InactiveLimit=0
KillWait=5
MinJobAge=300
MpiDefault=none
SwitchType=switch/none
{nodes}
PartitionName=all Nodes={steps} Default=YES LLN=YES MaxTime=INFINITE State=UP
PartitionName=light Nodes={head} MaxTime=INFINITE State=UP
"""


class CannotRun(Exception):
    """The rig cannot be made on this machine, and why."""


@dataclass
class Rig:
    """The parts.

    Attributes:
        folder: holds all of it.
        hidden: folders of the coordinator, which the hosts do not see.
    """

    folder: Path
    hidden: Sequence[Path] = ()
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _ports: dict[str, int] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """Where Slurm is unpacked."""
        return self.folder / "root"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of whoever uses the cluster."""
        libraries = self.root / "usr/lib/x86_64-linux-gnu"
        return {
            **os.environ,
            "PATH": f"{self.root}/usr/bin:{os.environ['PATH']}",
            "LD_LIBRARY_PATH": f"{libraries}:{libraries}/slurm-wlm",
            "SLURM_CONF": str(self.folder / "slurm.conf"),
        }

    @property
    def postgres_port(self) -> int:
        """Where PostgreSQL listens, on 127.0.0.1: user and database `dagster`, no password."""
        return self._ports["postgres"]

    def start(self, packages: Path | None = None) -> None:
        """Unpack and start everything, and wait until it answers.

        Args:
            packages: a folder with the Debian packages; None to fetch them.

        Raises:
            CannotRun: a part cannot be had here, or does not start.
        """
        if os.geteuid() != 0 or sys.platform != "linux":
            raise CannotRun("made-up hosts need Linux and root (unshare)")
        for program in ("unshare", "setpriv", "dpkg", "apt-get"):
            if shutil.which(program) is None:
                raise CannotRun(f"{program} is not here")
        for name in ("log", "state", "munge", "spool", "packages"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._unpack(packages)
        self._ports = dict(zip(("postgres", "slurmctld", HEAD, *STEP_NODES), _free_ports(), strict=False))
        self._start_postgres()
        self._start_slurm()
        for name in (HEAD, *STEP_NODES):
            self.start_node(name)
        self.wait_for_nodes(*STEP_NODES, HEAD)

    def start_node(self, name: str, hidden: Sequence[Path] = ()) -> None:
        """Start a host, from which further folders are hidden."""
        hide = "".join(f"mount -t tmpfs none {path} && " for path in (*self.hidden, *hidden))
        slurmd = f"{self.root}/usr/sbin/slurmd-wlm -D -f {self.folder}/slurm.conf -N {name}"
        script = f"hostname {name} && {hide}{slurmd} -d {self.root}/usr/sbin/slurmstepd-wlm & wait"
        # The shell is the host's first process, which takes in orphans; with it all others end.
        apart = ["unshare", "--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self._spawn(name, [*apart, "bash", "-c", script])

    def kill_node(self, name: str) -> None:
        """End all processes of a host at once (SIGKILL)."""
        self._end(name, signal.SIGKILL)

    def wait_for_nodes(self, *names: str) -> None:
        """Wait until hosts are ready for jobs.

        Raises:
            CannotRun: one is not, after five minutes.
        """

        def ready() -> bool:
            lines = map(str.split, self.command("sinfo", "--noheader", "--Node", "--format=%N %t").splitlines())
            return {node for node, state in lines if state in ("idle", "mix", "alloc")} >= set(names)

        _wait(ready, f"nodes {', '.join(names)} are not ready (see {self.folder}/log)")

    def command(self, *arguments: str) -> str:
        """What one of Slurm's commands answers; '' if it fails."""
        done = subprocess.run(arguments, env=self.environment, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else ""

    def node_of_job(self, number: str) -> str:
        """The host that a job was given last, as slurmctld noted it; '' before it was given one."""
        said = (self.folder / "log" / "slurmctld.log").read_text(errors="replace")
        given = rf"(?:Allocate JobId={number} NodeList=|Started JobId={number} in \S+ on )(\S+)"
        return next(reversed(re.findall(given, said)), "")

    def lost_at(self, name: str) -> float:
        """When Slurm last took a host for dead, seconds of the clock; NaN if never."""
        said = (self.folder / "log" / "slurmctld.log").read_text(errors="replace")
        lost = re.findall(rf"\[(\S+)\] error: Nodes {name} not responding, setting DOWN", said)
        return datetime.fromisoformat(lost[-1]).timestamp() if lost else math.nan

    def stop(self) -> None:
        """End everything that this rig started."""
        for name in reversed(list(self._running)):
            self._end(name, signal.SIGKILL if name in (HEAD, *STEP_NODES) else signal.SIGINT)

    def spawn(self, name: str, arguments: Sequence[str], environment: dict[str, str], where: Path) -> None:
        """Start a further process, which ends with the rig; what it prints goes to log/NAME.txt."""
        self._spawn(name, arguments, environment, where)

    def end(self, name: str) -> None:
        """End a process of `spawn`."""
        self._end(name, signal.SIGTERM)

    def _unpack(self, packages: Path | None) -> None:
        folder = packages or self.folder / "packages"
        if packages is None:
            fetched = subprocess.run(
                ["apt-get", "download", "-q", *PACKAGES], cwd=folder, capture_output=True, text=True, check=False
            )
            if fetched.returncode:
                raise CannotRun(f"apt-get download: {' '.join(fetched.stderr.split()[-30:])}")
        found = sorted(folder.glob("*.deb"))
        if len(found) < len(PACKAGES):
            raise CannotRun(f"{folder} holds {len(found)} packages, where {len(PACKAGES)} are needed: {PACKAGES}")
        for package in found:
            subprocess.run(["dpkg", "-x", package, self.root], check=True)

    def _start_postgres(self) -> None:
        initdb = shutil.which("initdb")
        for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin")):
            initdb = str(folder / "initdb")
        if initdb is None:
            raise CannotRun("PostgreSQL is not here (Debian: postgresql)")
        data, programs = self.folder / "postgres", Path(initdb).parent
        data.mkdir()
        os.chown(data, _NOBODY, _NOBODY)
        nobody = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
        made = subprocess.run(
            [*nobody, initdb, "--pgdata", data, "--username=dagster", "--auth=trust", "--no-sync"],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        if made.returncode:
            raise CannotRun(f"initdb: {made.stderr.strip()[-300:]}")
        port = self._ports["postgres"]
        options = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={data}", "-c", "fsync=off"]
        server = [*nobody, programs / "postgres", "-D", data, "-p", port, "-c", "max_connections=300", *options]
        self._spawn("postgres", list(map(str, server)), where=Path("/"))
        create = [str(programs / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "dagster", "dagster"]
        _wait(
            lambda: subprocess.run(create, capture_output=True, check=False, cwd="/").returncode == 0,
            "PostgreSQL does not answer",
        )

    def _start_slurm(self) -> None:
        munge = self.folder / "munge"
        key = munge / "key"
        make_key = [self.root / "usr/sbin/mungekey", "--create", "--keyfile", key]
        subprocess.run(make_key, check=True, env=self.environment)
        places = [f"--{name}={munge / name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
        munged = self.root / "usr/sbin/munged"
        self._spawn("munged", [str(munged), "--foreground", "--force", f"--key-file={key}", *places])
        _wait((munge / "socket").exists, "munge does not start")
        nodes = [
            f"NodeName={name} NodeHostname={platform.node()} NodeAddr=127.0.0.1 Port={self._ports[name]} "
            f"CPUs={8 if name == HEAD else 2} RealMemory={NODE_MEMORY_MB} State=UNKNOWN"
            for name in (HEAD, *STEP_NODES)
        ]
        text = _CONF.format(
            computer=platform.node(),
            port=self._ports["slurmctld"],
            folder=self.folder,
            root=self.root,
            timeout=NODE_TIMEOUT_S,
            nodes="\n".join(nodes),
            steps=",".join(STEP_NODES),
            head=HEAD,
        )
        (self.folder / "slurm.conf").write_text(text)
        controller = [f"{self.root}/usr/sbin/slurmctld-wlm", "-D", "-f", f"{self.folder}/slurm.conf"]
        self._spawn("slurmctld", controller)
        _wait(lambda: "UP" in self.command("scontrol", "ping"), f"slurmctld does not start (see {self.folder}/log)")

    def _spawn(
        self,
        name: str,
        arguments: Sequence[str],
        environment: dict[str, str] | None = None,
        where: Path | None = None,
    ) -> None:
        with (self.folder / "log" / f"{name}.txt").open("ab") as log:
            self._running[name] = subprocess.Popen(
                arguments,
                env=environment or self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=where or self.folder,
                start_new_session=True,
            )

    def _end(self, name: str, with_signal: signal.Signals) -> None:
        process = self._running.pop(name)
        if process.poll() is None:
            process.send_signal(with_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
        process.wait()
        # What it started may outlive it: a daemon's code servers do.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _wait(done: Callable[[], bool], message: str, seconds: float = 300.0) -> None:
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            raise CannotRun(message)
        time.sleep(0.5)


def _free_ports() -> Iterator[int]:
    """Ports of which nobody makes use now, all different."""
    held = []
    try:
        while True:
            held.append(socket.create_server(("127.0.0.1", 0)))
            yield held[-1].getsockname()[1]
    finally:
        for each in held:
            each.close()
