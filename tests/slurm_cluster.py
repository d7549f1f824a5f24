"""A Slurm cluster on this machine for tests: munged, slurmctld and two slurmd (Debian: slurm-wlm, munge)."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from .training.processes import until

NEEDED = ("munged", "slurmctld", "slurmd", "srun")
missing = [name for name in NEEDED if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
needs_slurm = pytest.mark.skipif(bool(missing) or os.geteuid() != 0, reason="needs root, slurm-wlm and munge")

NODES = ("node1", "node2")
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/%n.pid
MpiDefault=none
{nodes}
PartitionName=all Nodes={names} Default=YES MaxTime=INFINITE State=UP
"""


def free_port() -> int:
    with socket.socket() as error:
        error.bind(("127.0.0.1", 0))
        return error.getsockname()[1]


class Cluster:
    """The running daemons, and the environment in which Slurm's commands find them."""

    def __init__(self, folder: Path) -> None:
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        host, processors = socket.gethostname().split(".")[0], os.cpu_count()
        about = f"NodeHostname={host} NodeAddr=127.0.0.1 CPUs={processors} RealMemory=4000"
        nodes = "\n".join(f"NodeName={name} {about} Port={free_port()}" for name in NODES)
        text = CONFIGURATION.format(host=host, port=free_port(), folder=folder, nodes=nodes, names=",".join(NODES))
        file = folder / "slurm.conf"
        file.write_text(text)
        self.environment = os.environ | {"SLURM_CONF": str(file), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
        self._folder, self._key = folder, key
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        places = [f"--socket={self._folder}/munge.socket", f"--key-file={self._key}"]
        files = [f"--{name}-file={self._folder}/munge.{name}" for name in ("log", "pid", "seed")]
        self._start("munged", "--foreground", *places, *files)
        until((self._folder / "munge.socket").exists)
        self._start("slurmctld", "-D")
        for name in NODES:
            self._start("slurmd", "-D", "-N", name)
        until(lambda: self.output("sinfo", "--noheader", "--Node", "--format=%T").split() == ["idle"] * len(NODES))

    def output(self, *command: str) -> str:
        """What a command of Slurm's prints."""
        done = subprocess.run(command, check=False, env=self.environment, capture_output=True, text=True, timeout=60)
        return done.stdout

    def restart_controller(self) -> None:
        """Kill slurmctld, which reads its state again when it is started."""
        self._daemons["slurmctld"].kill()
        self._daemons.pop("slurmctld").wait(30)
        self._start("slurmctld", "-D")
        until(lambda: self.output("sinfo", "--noheader"))

    def stop(self) -> None:
        if "slurmctld" in self._daemons:
            self.output("scancel", "--me")
        for process in reversed(self._daemons.values()):
            process.terminate()
            process.wait(30)

    def _start(self, *command: str) -> None:
        name = command[-1] if command[0] == "slurmd" else command[0]
        self._daemons[name] = subprocess.Popen(command, env=self.environment, stderr=subprocess.DEVNULL)


@contextmanager
def slurm_cluster() -> Iterator[Cluster]:
    """A cluster of two nodes, each with the processors of this machine."""
    # munge wants a folder that nobody else may write to, nor to those above it
    with TemporaryDirectory(prefix="lrl-adapt-slurm-", dir="/run") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "state").mkdir()
        cluster = Cluster(folder)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
