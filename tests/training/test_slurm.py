"""srun of a real Slurm, one node of two processors, started for these tests (Debian: slurm-wlm, munge)."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lrl_adapt.training import launch

from .processes import prepare, same, until, words

NEEDED = ("munged", "slurmctld", "slurmd", "srun")
missing = [name for name in NEEDED if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
pytestmark = pytest.mark.skipif(bool(missing) or os.geteuid() != 0, reason="needs root, slurm-wlm and munge")

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/daemon.pid
MpiDefault=none
NodeName={host} NodeAddr=127.0.0.1 CPUs={processors} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def free_port() -> int:
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return some.getsockname()[1]


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """The environment in which srun finds it."""
    folder = Path("/run/lrl-adapt-slurm")  # munge wants a folder that nobody else may write to
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    ports = {"controller": free_port(), "daemon": free_port()}
    host, processors = socket.gethostname().split(".")[0], os.cpu_count()
    file = folder / "slurm.conf"
    file.write_text(CONFIGURATION.format(host=host, folder=folder, processors=processors, **ports))
    environment = os.environ | {"SLURM_CONF": str(file), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    places = [f"--socket={folder}/munge.socket", f"--key-file={key}", f"--log-file={folder}/munge.log"]
    more = [f"--pid-file={folder}/munge.pid", f"--seed-file={folder}/munge.seed"]
    daemons = (["munged", "--foreground", *places, *more], ["slurmctld", "-D"], ["slurmd", "-D"])
    running = []
    try:
        for command in daemons:
            running.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
            until((folder / "munge.socket").exists)
        asked = ["sinfo", "--noheader", "--format=%T"]
        until(
            lambda: "idle" in subprocess.run(asked, check=False, env=environment, capture_output=True, text=True).stdout
        )
        yield environment
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def test_srun_trains_as_one_process_does(cluster: dict[str, str], base: Path, alone: Path, tmp_path: Path) -> None:
    prepare(base, tmp_path)
    command = ["srun", "--ntasks", "2", "--overcommit", sys.executable, "-m", launch.MODULE]
    subprocess.run([*command, *words(base, tmp_path), "--cpu"], env=cluster, check=True, timeout=120)
    same(alone, tmp_path)
    asked = [*command, *words(base, tmp_path, "eval")]
    mistaken = subprocess.run(asked, check=False, env=cluster, capture_output=True, text=True)
    assert "`lrl-adapt eval` runs in one process" in mistaken.stderr
