"""`serve`: the server as a function."""

import errno
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from ..eval.inference.published import adapter_folder
from ..recipes.languages import language_code
from ..workspace.errors import UserError
from ..workspace.formatting import format_count
from ..workspace.home import workspace_folder
from ..workspace.library_logs import quiet_libraries
from ..workspace.progress import Progress
from ..workspace.progress_bars import ProgressBars
from .limits import ServerLimits

MAX_PORT = 65_535
SECONDS_TO_FINISH = 10  # for requests that are being answered when the server is stopped


def serve(  # noqa: PLR0913
    adapters: str | Path | Sequence[str | Path] | None = None,
    *,
    base: str | Path | None = None,
    workspace: str | Path | None = None,
    language: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    limits: ServerLimits | None = None,
    progress: Progress | None = None,
) -> None:
    """Serve adapters over HTTP until Ctrl-C or SIGTERM.

    One process holds one base; all adapters share its weights and are loaded when they are first used. Needs
    `pip install 'lrl-adapt[serve]'`.

    Example:
        ```python
        lrl_adapt.serve(["my-adapter"], port=8080, limits=lrl_adapt.ServerLimits(max_loaded=4))
        ```

    Args:
        adapters: Folders of language adapters and task adapters, or their addresses on the hub (OWNER/NAME,
            OWNER/NAME/FOLDER); one or several. By default all in the workspace.
        base: Hub id or folder of the base. Chooses the adapters of a workspace that belong to it; adapters that are
            named are put on it whatever they were trained on. By default the one base of all adapters.
        workspace: Where to look for adapters; by default `LRL_ADAPT_HOME`, or `lrl-runs`.
        language: Of the workspace, serve only adapters for this language, in any code.
        host: Address to listen on; by default only programs on this machine can connect.
        port: Port to listen on; 0 chooses a free one.
        token: Clients must send it as `Authorization: Bearer TOKEN`; by default they need none.
        limits: What is allowed to clients, and how many adapters are kept in memory.
        progress: Shows what is loaded; by default lines on stderr. `QUIET` shows nothing.

    Returns:
        Nothing, once the server is stopped and the requests that it was answering are finished.

    Raises:
        UserError: There is no adapter, or they belong to several bases; the address cannot be listened on; the token
            cannot be sent in a header.
    """
    progress = progress or ProgressBars()
    names = [adapters] if isinstance(adapters, str | Path) else adapters
    folder, code = workspace_folder(workspace), language_code(language) if language else None
    _check_extra()
    _check_token(token)
    for name in names or ():
        adapter_folder(name)
    with _bound_socket(host, port) as listener:
        progress.say("loading PyTorch and transformers")
        from .app import create_app
        from .catalogue import make_catalogue
        from .shared_base import SharedBase

        catalogue = make_catalogue(names, None if base is None else str(base), folder, code, progress)
        progress.say(f"loading the base {catalogue.base}")
        with quiet_libraries():
            base_model = SharedBase.load(catalogue.base)
        app = create_app(catalogue, base_model, limits=limits, token=token, progress=progress)
        listener.listen()  # whoever reads the next line may connect
        languages, tasks = len(catalogue.languages), len(catalogue.tasks)
        adapter_counts = f"{format_count(languages, 'language adapter')}, {format_count(tasks, 'task adapter')}"
        progress.say(f"serving at {_address(listener)}: base {catalogue.base_name}, {adapter_counts}; Ctrl-C stops")
        if token is None and not _is_loopback(host):
            progress.say("note: whoever can reach this machine can use the server; a token restricts it")
        _run(app, listener)
    progress.say("stopped")


def _run(app: Any, listener: socket.socket) -> None:
    """Answer requests until the process is told to stop."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
    )
    with suppress(KeyboardInterrupt):  # uvicorn raises it again after it has shut down
        uvicorn.Server(config).run(sockets=[listener])


def _check_extra() -> None:
    """Raise UserError if a library of the extra `serve` is missing."""
    missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        raise UserError(f"a server needs {' and '.join(missing)}: pip install 'lrl-adapt[serve]'")


def _check_token(token: str | None) -> None:
    """Raise UserError for a token that cannot be sent in a header. The message does not contain it."""
    if token is not None and not (token.isascii() and token.isprintable() and token and " " not in token):
        raise UserError("the token must have one or more ASCII characters and no spaces")


def _is_loopback(host: str) -> bool:
    """Whether only programs on this machine can connect to the address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bound_socket(host: str, port: int) -> socket.socket:
    """A socket on the address, before anything is loaded. Raises UserError where that is impossible."""
    if not 0 <= port <= MAX_PORT:
        raise UserError(f"--port {port}: expected a number from 0 to {MAX_PORT}")
    try:
        (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise UserError(f"--host {host}: not an address of this machine") from error
    try:
        if os.name == "posix":  # elsewhere it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise UserError(f"--host {host}: not an address of this machine") from error
        raise UserError(
            f"cannot listen on {host}, port {port}: {error.strerror}; choose another with --port"
        ) from error
    return listener


def _address(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
