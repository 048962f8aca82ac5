"""A Slurm of one node on this machine, for tests: the distribution's packages, as root.

Its daemons are children of the test process, with folders, ports and a munge key of their own; a
Slurm that the machine may have is neither used nor touched.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system_packages import missing_slurm

_CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
MaxArraySize=4
KillWait=5
SchedulerParameters=sched_interval=1,bf_interval=1
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=16000 State=UNKNOWN
PartitionName=tests Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def why_no_slurm() -> str | None:
    """Why no Slurm can run here, in words; None if it can."""
    missing = missing_slurm()
    if missing:
        return f"Slurm is not installed ({', '.join(missing)}): python tests/system_packages.py"
    if os.geteuid() != 0:
        return "slurmd needs root"
    try:
        import submitit  # noqa: F401
    except ImportError:
        return "the extra 'slurm' (submitit) is not installed"
    return None


class Node:
    """The node, and what an administrator does to it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def drain(self) -> None:
        """Nothing new starts on it."""
        self._update("State=DRAIN", "Reason=test")

    def resume(self) -> None:
        """It takes jobs again."""
        self._update("State=RESUME")

    def _update(self, *settings: str) -> None:
        subprocess.run(["scontrol", "update", f"NodeName={self.name}", *settings], check=True)


@contextmanager
def one_node(folder: Path) -> Iterator[Node]:
    """Start it, and name it in SLURM_CONF for this process and those that it starts."""
    name = socket.gethostname().partition(".")[0]
    for part in ("state", "spool"):
        (folder / part).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    configuration = folder / "slurm.conf"
    configuration.write_text(
        _CONFIGURATION.format(host=name, folder=folder, ports=[_free_port(), _free_port()])
    )
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(configuration)
    files = [f"--{kind}-file={folder}/munged.{kind}" for kind in ("pid", "log", "seed")]
    daemons = []
    try:
        for command in (
            ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket",
             f"--key-file={key}", *files],
            ["slurmctld", "-D"],
            ["slurmd", "-D"],
        ):  # fmt: skip
            log = (folder / f"{command[0]}.output").open("wb")
            daemons.append(subprocess.Popen(command, stdout=log, stderr=log))
            if command[0] == "munged":
                _wait(lambda: (folder / "munge.socket").exists(), folder)
        _wait(_is_idle, folder)
        yield Node(name)
        # A job whose controller has gone would wait for it for ever.
        subprocess.run(["scancel", "--full", f"--user={os.getuid()}"])
        _wait(_is_empty, folder)
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
        del os.environ["SLURM_CONF"]
        if before is not None:
            os.environ["SLURM_CONF"] = before


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _is_idle() -> bool:
    asked = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True)
    return asked.stdout.strip() == "idle"


def _is_empty() -> bool:
    asked = subprocess.run(["squeue", "-h"], capture_output=True, text=True)
    return asked.returncode == 0 and not asked.stdout.strip()


def _wait(ready, folder: Path) -> None:
    until = time.monotonic() + 30
    while not ready():
        if time.monotonic() > until:
            logs = "\n".join(p.read_text(errors="replace") for p in folder.glob("*.output"))
            raise RuntimeError(f"Slurm does not get so far:\n{logs}")
        time.sleep(0.1)
