"""`lrl-adapt serve`: adapters over HTTP, and a page to try them."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ..workspace.home import DEFAULT_WORKSPACE
from . import options
from .console import Terminal
from .options import examples

TOKEN_VARIABLE = "LRL_ADAPT_SERVE_TOKEN"  # noqa: S105 - the name of a variable
EPILOG = examples(
    "lrl-adapt serve",
    "lrl-adapt serve --adapter my-swahili --port 8080",
    "lrl-adapt serve --language swh --host 0.0.0.0 --max-loaded 4",
)


def serve_cmd(  # noqa: PLR0913, PLR0917
    adapters: Annotated[
        list[Path] | None,
        typer.Option(
            "--adapter",
            "-a",
            help="Folder of a language adapter or of a task adapter, or its address on the hub (OWNER/NAME, "
            "OWNER/NAME/FOLDER); may be repeated. Default: all in the workspace.",
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Hub id or folder of the base; default: the one that all adapters were trained on."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 accepts connections from other machines.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 chooses a free one.")] = 8000,
    max_loaded: Annotated[
        int,
        typer.Option(
            min=1, help="Maximum number of adapters in memory; the least recently used one is dropped for another."
        ),
    ] = 16,
    max_texts: Annotated[int, typer.Option(min=1, help="Maximum number of texts per request.")] = 32,
    max_characters: Annotated[int, typer.Option(min=1, help="Maximum number of characters per text.")] = 5000,
    max_waiting: Annotated[
        int,
        typer.Option(min=1, help="Maximum number of requests in the queue; further ones are refused with status 429."),
    ] = 64,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds within which a request is answered, or refused with status 504.")
    ] = 30.0,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    language: options.Language = None,
    cpu: options.Cpu = False,
    debug: options.Debug = False,
) -> None:
    """Serve adapters over HTTP, with a page to try them, until Ctrl-C.

    All adapters share one base in memory; fully fine-tuned models have weights of their own. Clients need the token in
    the environment variable LRL_ADAPT_SERVE_TOKEN, if it is set. Needs the packages of the extra `serve`.
    """
    from ..serving.limits import ServerLimits
    from ..serving.server import serve

    serve(
        adapters,
        base=base,
        workspace=workspace,
        language=options.language_code(language),
        host=host,
        port=port,
        token=os.environ.get(TOKEN_VARIABLE),
        limits=ServerLimits(
            max_loaded=max_loaded,
            max_texts=max_texts,
            max_characters=max_characters,
            max_waiting=max_waiting,
            timeout=timeout,
        ),
        progress=Terminal(),
    )
