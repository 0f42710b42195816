"""Nodes written by their browse names."""

import pytest

from drivers.opcua.browse_path import is_path, names_of


@pytest.mark.parametrize(
    ("node", "names"),
    [
        ("path=di:DeviceSet/Incubator", [("di", "DeviceSet"), ("", "Incubator")]),
        ("path=A&/B/x:C&:D", [("", "A/B"), ("x", "C:D")]),
        ("path=&:A/B&&C", [("", ":A"), ("", "B&C")]),
        ("path=x:10:30", [("x", "10:30")]),
    ],
)
def test_a_path_is_taken_apart(node: str, names: list[tuple[str, str]]) -> None:
    assert is_path(node) and names_of(node) == names


def test_an_identifier_is_no_path() -> None:
    assert not is_path("s=Chamber.Pressure")
