"""The server's interface: what each address does, and how errors are answered."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from .. import __version__
from ..workspace.errors import UserError
from ..workspace.progress import QUIET, Progress
from .api_page import api_page
from .catalogue import Catalogue
from .limits import ServerLimits
from .messages import (
    AdaptersAnswer,
    FillMaskAnswer,
    FillMaskRequest,
    Health,
    PredictAnswer,
    PredictRequest,
    Problem,
    printable,
    validation_message,
)
from .model_pool import UnavailableError
from .request_guard import RequestGuard
from .scheduler import BusyError
from .service import Service
from .shared_base import SharedBase

FOLDER = Path(__file__).parent
HEADERS = {
    # the page loads nothing from other hosts, and others cannot show it in a frame
    "Content-Security-Policy": "default-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    422: {"model": Problem, "description": "The request is not valid"},
    429: {"model": Problem, "description": "The queue is full; try again"},
    503: {"model": Problem, "description": "The adapter cannot be loaded"},
    504: {"model": Problem, "description": "The answer took too long"},
}
REFUSED: dict[int | str, dict[str, Any]] = {401: {"model": Problem, "description": "The token is missing or wrong"}}


def create_app(
    catalogue: Catalogue,
    base: SharedBase,
    *,
    limits: ServerLimits | None = None,
    token: str | None = None,
    progress: Progress = QUIET,
) -> FastAPI:
    """The ASGI application that serves a catalogue's adapters on their base.

    With `token`, requests to the models need the header `Authorization: Bearer TOKEN`.
    """
    limits = limits or ServerLimits()
    service = Service(catalogue, base, limits, progress)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service.scheduler.running():
            yield

    app = FastAPI(
        title="lrl-adapt",
        version=__version__,
        summary=f"Adapters on {catalogue.base_name}",
        description=f"At most {limits.max_texts} texts per request, with {limits.max_characters:,} characters each.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own pages load their scripts from another host
        redoc_url=None,
    )
    app.add_middleware(RequestGuard, token=token, max_body=limits.max_body)
    _add_answers(app, service, needs_token=token is not None)
    _add_pages(app)
    _add_errors(app)
    return app


def _add_answers(app: FastAPI, service: Service, *, needs_token: bool) -> None:
    """The addresses for programs."""
    security = [Depends(HTTPBearer(auto_error=False))] if needs_token else []  # for the description: the guard checks
    problems = PROBLEMS | (REFUSED if needs_token else {})

    @app.post("/predict", response_model=PredictAnswer, responses=problems, dependencies=security)
    async def predict(request: PredictRequest) -> Response:
        """Label texts with a task adapter."""
        return JSONResponse(await service.predict(request))

    @app.post("/fill-mask", response_model=FillMaskAnswer, responses=problems, dependencies=security)
    async def fill_mask(request: FillMaskRequest) -> Response:
        """Predict masked words with the base and with language adapters."""
        predictions = await service.fill_mask(request)
        return JSONResponse({"predictions": [asdict(prediction) for prediction in predictions]})

    @app.get("/adapters", responses=REFUSED if needs_token else {}, dependencies=security)
    async def adapters() -> AdaptersAnswer:
        """List the adapters that requests may name, the newest first."""
        return service.adapters()

    @app.get("/healthz")
    async def healthz() -> Health:
        """Tell whether the server runs. Needs no token."""
        return service.health()


def _add_pages(app: FastAPI) -> None:
    """The addresses for people."""

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(FOLDER / "page.html", headers=HEADERS)

    @app.get("/page.css", include_in_schema=False)
    async def style() -> Response:
        return FileResponse(FOLDER / "page.css", headers=HEADERS)

    @app.get("/page.js", include_in_schema=False)
    async def script() -> Response:
        return FileResponse(FOLDER / "page.js", headers=HEADERS)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(api_page(app.openapi()), headers=HEADERS)


def _add_errors(app: FastAPI) -> None:
    """One line of JSON for every error; none names a path of the server's machine."""

    def answer(status: int, describe: Callable[[Any], str]) -> Callable[[Request, Any], Awaitable[Response]]:
        async def handler(_: Request, error: Any) -> Response:
            headers = {"Retry-After": "1"} if status == 429 else None
            return JSONResponse({"error": printable(describe(error))}, status, headers)

        return handler

    async def http_error(_: Request, error: Any) -> Response:
        return JSONResponse({"error": printable(str(error.detail))}, error.status_code, error.headers)

    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, answer(422, lambda error: validation_message(error.errors())))
    app.add_exception_handler(UserError, answer(422, str))
    app.add_exception_handler(BusyError, answer(429, lambda _: "the server is busy: try again in a moment"))
    app.add_exception_handler(
        UnavailableError, answer(503, lambda error: f"{error} cannot be loaded; the server's log says why")
    )
    app.add_exception_handler(
        TimeoutError, answer(504, lambda _: "the answer took too long: send less text, or try again later")
    )
    app.add_exception_handler(Exception, answer(500, lambda _: "internal error; the server's log says more"))
