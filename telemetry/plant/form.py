"""The form of a file, asked of its Pydantic model: which keys may stand at a path, and the JSON Schema for editors."""

from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from telemetry.plant.document import Keys


def keys_at(model: type[BaseModel], path: Keys) -> list[str]:
    """The keys that a mapping at `path` may have; empty where any key may stand."""
    kind: Any = model
    for key in path:
        kind = _inside(kind, key)
    kind = bare(kind)
    if not isinstance(kind, type) or not issubclass(kind, BaseModel):
        return []
    return [field.alias or name for name, field in kind.model_fields.items()]


def _inside(kind: Any, key: str | int) -> Any:
    kind = bare(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            if key == (field.alias or name):
                return field.annotation
        return None
    arguments = get_args(kind)
    if get_origin(kind) is tuple:
        return arguments[0]
    if get_origin(kind) is dict:
        return arguments[1]
    return None


def bare(kind: Any) -> Any:
    """`kind` without Annotated and without the None of an optional one."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
            continue
        others = [one for one in get_args(kind) if one is not NoneType]
        if NoneType in get_args(kind) and len(others) == 1:
            kind = others[0]
            continue
        return kind


def schemas(kinds: dict[str, type[BaseModel]]) -> dict[str, dict[str, Any]]:
    """A JSON Schema by kind of file."""
    return {kind: model.model_json_schema(by_alias=True) for kind, model in kinds.items()}
