"""Errors as problem details (RFC 9457): what went wrong and what would be right, in plain words, without internals."""

from http import HTTPStatus

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException


class Problem(BaseModel):
    """The body of every error answer, of type application/problem+json."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class Refused(Exception):
    """An answer that is an error: `status` by HTTP, `detail` for the person who asked."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        self.status, self.detail = status, detail
        super().__init__(detail)


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(orjson.dumps(body), status, headers, "application/problem+json")


def install(app: FastAPI) -> None:
    """Makes every error of `app` a problem."""

    @app.exception_handler(Refused)
    def refused(_: Request, error: Refused) -> Response:  # pyright: ignore[reportUnusedFunction]
        headers = {"WWW-Authenticate": "Bearer"} if error.status == HTTPStatus.UNAUTHORIZED else None
        return problem(error.status, error.detail, headers)

    @app.exception_handler(HTTPException)
    def http(_: Request, error: HTTPException) -> Response:  # pyright: ignore[reportUnusedFunction]
        return problem(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(Exception)
    def unexpected(_: Request, error: Exception) -> Response:  # pyright: ignore[reportUnusedFunction]
        return problem(
            500, f"The service failed ({type(error).__name__}); its log says where. Nothing was done by this request."
        )

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> Response:  # pyright: ignore[reportUnusedFunction]
        said = "; ".join(
            f"{'.'.join(str(p) for p in e['loc'][1:]) or 'the request'}: {e['msg']}" for e in error.errors()
        )
        return problem(422, f"{said}.")


def told(description: str) -> dict[str, object]:
    """An error answer in the OpenAPI description."""
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
    }


PROBLEMS: dict[int | str, dict[str, object]] = {
    401: told("Sign in first."),
    403: told("Your role does not permit this."),
    404: told("There is no such thing."),
    409: told("Not possible in this state; nothing has changed."),
    422: told("The request is not understood."),
    503: told("The engine or the database is away."),
}
