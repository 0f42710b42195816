"""A query parameter that a route does not have is a mistake: without it another question would be answered than was asked."""

from http import HTTPStatus

from fastapi import Request

from api.problem import Refused
from telemetry.plant.findings import nearest


def known_parameters(request: Request) -> None:
    """A dependency of routes whose answers are evidence. Raises Refused."""
    known = {field.alias for field in request.scope["route"].dependant.query_params}
    for name in request.query_params:
        if name not in known:
            remedy = nearest(name, known) if known else "None is known here."
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"There is no parameter {name!r}. {remedy}")
