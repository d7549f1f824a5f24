"""Serving adapters: requests/s, latency and memory of one process for all, compared with one process per adapter.

    python benchmarks/serve.py
    python benchmarks/serve.py --adapters 1 8 32 --clients 16 --base path/to/xlm-roberta-base

seq_bn adapters with random weights on base-mini, or on the base in --base. Each client sends one /fill-mask request
after the other, with one sentence, to an adapter chosen at random; every adapter is loaded before. Both contenders get
the same requests, one contender after the other. Memory is the sum of the processes' proportional set sizes, which
count memory that processes share once (Linux only).
"""

import argparse
import http.client
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import parser_of

BASE_MINI = Path(__file__).parents[1] / "recipes/quickstart/base/base-mini"
SENTENCES = [
    "Watoto wanakwenda [MASK] kila siku asubuhi.",
    "Mvua [MASK] inatarajiwa kesho.",
    "Timu ya taifa ilishinda [MASK] jana jioni mbele ya mashabiki wengi.",
    "Habari ya [MASK]",
]


@dataclass(frozen=True)
class Server:
    """A running `lrl-adapt serve`."""

    process: subprocess.Popen[str]
    host: str
    port: int

    def memory(self) -> float:
        """Proportional set size in MB."""
        rollup = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text(encoding="utf-8")
        return int(re.findall(r"^Pss: +(\d+) kB", rollup, re.MULTILINE)[0]) / 1000


@dataclass(frozen=True)
class Request:
    """A sentence for an adapter, which one of the servers has."""

    server: Server
    body: bytes


def main() -> None:
    parser = parser_of(__doc__, requests=2000, clients=8)
    parser.add_argument("--adapters", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--base", type=Path, default=BASE_MINI)
    parser.add_argument("--threads", type=int, default=1, help="threads of each server")
    arguments = parser.parse_args()
    print(f"{arguments.clients} clients, {arguments.requests} requests; {arguments.threads} threads per server")
    print("| adapters | processes | requests/s | p50, ms | p95, ms | memory, MB |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        adapters = make_adapters(arguments.base, Path(folder), max(arguments.adapters))
        for count in arguments.adapters:
            measure(arguments, [adapters[:count]])
            if count > 1:
                measure(arguments, [[adapter] for adapter in adapters[:count]])


def make_adapters(base: Path, folder: Path, count: int) -> list[Path]:
    """Folders of seq_bn adapters whose weights are random, not the identity."""
    import torch
    from lrl_adapt.recipes.schema import Adapter
    from lrl_adapt.training.adapters import language_adapter
    from lrl_adapt.training.adapters.files import save_adapter
    from lrl_adapt.training.base import load_masked_lm

    model: Any = language_adapter(load_masked_lm(str(base), None, "base"), Adapter(type="seq_bn"))
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    folders = [folder / f"adapter-{number}" for number in range(count)]
    for one in folders:
        for parameter in trainable:
            torch.nn.init.normal_(parameter, std=0.02)
        one.mkdir()
        save_adapter(model, one)
    return folders


def measure(arguments: argparse.Namespace, groups: Sequence[Sequence[Path]]) -> None:
    """Start a server for each group of adapters, send the requests, and print a row."""
    rng = random.Random(0)
    with ExitStack() as stack:
        servers = {
            adapter.name: server
            for group in groups
            for server in [stack.enter_context(serving(arguments.base, group, arguments.threads))]
            for adapter in group
        }
        ask([request_of(servers, name, SENTENCES[0]) for name in servers], clients=1)  # loads the adapters
        requests = [
            request_of(servers, rng.choice(list(servers)), rng.choice(SENTENCES)) for _ in range(arguments.requests)
        ]
        started = time.perf_counter()
        seconds = sorted(ask(requests, clients=arguments.clients))
        elapsed = time.perf_counter() - started
        memory = sum(server.memory() for server in {id(one): one for one in servers.values()}.values())
    p50, p95 = (1000 * statistics.quantiles(seconds, n=100)[percent - 1] for percent in (50, 95))
    rate = len(requests) / elapsed
    print(f"| {len(servers)} | {len(groups)} | {rate:,.0f} | {p50:,.1f} | {p95:,.1f} | {memory:,.0f} |", flush=True)


@contextmanager
def serving(base: Path, adapters: Sequence[Path], threads: int) -> Iterator[Server]:
    """A server with these adapters on a free port."""
    code = "from lrl_adapt.cli.app import main; main()"
    words = ["serve", "--base", str(base), "--port", "0", "--max-loaded", str(len(adapters)), "--cpu"]
    words += [word for adapter in adapters for word in ("--adapter", str(adapter))]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stderr=subprocess.PIPE,  # a few lines, which fit into the pipe
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
    )
    try:
        host, port = address_of(process)
        yield Server(process, host, port)
    finally:
        process.terminate()
        process.communicate()


def address_of(process: subprocess.Popen[str]) -> tuple[str, int]:
    """The address that a server says it listens on. Ends the program if the server ends."""
    said = ""
    assert process.stderr is not None
    while line := process.stderr.readline():
        said += line
        if match := re.search(r"http://([\d.]+):(\d+)", line):
            return match[1], int(match[2])
    sys.exit(said)


def request_of(servers: dict[str, Server], adapter: str, sentence: str) -> Request:
    """A request to the server that has the adapter."""
    return Request(servers[adapter], json.dumps({"texts": [sentence], "adapters": [adapter]}).encode())


def ask(requests: Sequence[Request], *, clients: int) -> list[float]:
    """Send the requests, each client one after the other; the seconds that each took."""

    def run(client: int) -> list[float]:
        connections: dict[int, http.client.HTTPConnection] = {}
        seconds = []
        for request in requests[client::clients]:
            server = request.server
            if server.port not in connections:
                connections[server.port] = http.client.HTTPConnection(server.host, server.port, timeout=60)
            started = time.perf_counter()
            connection = connections[server.port]
            try:
                response = send(connection, request)
            except ConnectionError:  # the server has closed a connection that was idle for some seconds
                connection.close()
                response = send(connection, request)
            answer = response.read()
            seconds.append(time.perf_counter() - started)
            if response.status != http.HTTPStatus.OK:
                sys.exit(f"status {response.status}: {answer.decode()}")
        return seconds

    with ThreadPoolExecutor(clients) as threads:
        return [time_taken for of_client in threads.map(run, range(clients)) for time_taken in of_client]


def send(connection: http.client.HTTPConnection, request: Request) -> http.client.HTTPResponse:
    """Send a request over a connection, which is opened if it is closed; the response, whose body is not read yet."""
    connection.request("POST", "/fill-mask", request.body, {"Content-Type": "application/json"})
    return connection.getresponse()


if __name__ == "__main__":
    main()
