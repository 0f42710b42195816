"""Cells of a tag table: every value of a tag survives its cell, and what a spreadsheet made of one is refused, not guessed."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.profile import ProfileTag
from telemetry.tags.cells import Cell, Unreadable, cell_of, value_of
from telemetry.tags.columns import Column, columns, plain
from telemetry.tags.csv_files import csv_bytes, csv_sheet
from telemetry.tags.xlsx_files import xlsx_bytes, xlsx_sheet

BY_NAME = {column.name: column for column in columns()}
NUMBER, NUMBERS = BY_NAME["setpoint"], BY_NAME["register.not_available"]
TEXT, TRUTH, LEGEND = BY_NAME["unit"], BY_NAME["writable"], BY_NAME["legend"]
YAML = BY_NAME["status.bits"]

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp", "Cf", "Cn"]), min_size=1, max_size=12)
SAFE = TEXTS.filter(lambda text: not isinstance(value_of(TEXT, text), Unreadable))
NAMES = st.fixed_dictionaries({"en": SAFE, "zh": SAFE})
FINITE = st.floats(-1e9, 1e9)
TAGS = st.fixed_dictionaries(
    {"name": NAMES, "register": st.fixed_dictionaries(
        {"table": st.sampled_from(["holding", "input"]), "address": st.integers(0, 65535)},
        optional={
            "type": st.sampled_from(["int16", "float32", "uint64"]), "order": st.sampled_from(["ABCD", "DCBA"]),
            "scale": FINITE.filter(bool), "offset": FINITE, "bit": st.integers(0, 15), "stride": st.integers(0, 99),
            "not_available": st.lists(st.integers(-(2**63), 2**64 - 1) | FINITE, min_size=1, max_size=4),
        },
    )},
    optional={
        "kind": st.sampled_from(["float", "integer", "boolean"]), "unit": SAFE, "writable": st.booleans(),
        "range": st.tuples(st.floats(-1e9, 0), st.floats(1, 1e9)), "setpoint": FINITE, "resolution": st.floats(1e-6, 10),
        "legend": st.dictionaries(st.integers(-5, 300), NAMES, min_size=1, max_size=5),
        "status": st.fixed_dictionaries({
            "table": st.just("input"), "address": st.integers(0, 9),
            "bits": st.dictionaries(st.integers(1, 65535), st.sampled_from(["Bad", "Uncertain"]), min_size=1),
        }),
    },
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(TAGS, st.booleans())
def test_every_tag_survives_its_cells(content: dict[str, Any], workbook: bool) -> None:
    tag = ProfileTag.model_validate(content)
    row = [cell_of(column, column.of(plain(tag))) for column in columns()]
    rows: list[list[Cell]] = [[column.name for column in columns()], row]
    sheet = xlsx_sheet(xlsx_bytes(rows), "x.xlsx") if workbook else csv_sheet(csv_bytes(rows), "x.csv")
    (_, _), (_, cells) = sheet.rows
    back: dict[str, Any] = {}
    for column, cell in zip(columns(), cells, strict=False):
        value = value_of(column, cell)
        assert not isinstance(value, Unreadable), (column.name, cell, value)
        if value is not None:
            column.put(back, value)
    assert ProfileTag.model_validate(back) == tag


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        (NUMBER, "40", 40), (NUMBER, " 0,5\u00a0", 0.5), (NUMBER, "0,125", 0.125), (NUMBER, "−7", -7), (NUMBER, "1e-3", 0.001),
        (NUMBER, 22.5, 22.5), (NUMBER, "007", 7), (NUMBER, "", None), (NUMBER, None, None),
        (NUMBERS, 65535, [65535]), (NUMBERS, "65535；-1", [65535, -1]),
        (TEXT, 12.0, "12"), (TEXT, " Pa ", "Pa"), (TRUTH, "TRUE", "true"), (TRUTH, True, True),
        (LEGEND, "0：关｜关; 1: a\\|b | 乙\\;", {0: {"en": "关", "zh": "关"}, 1: {"en": "a|b", "zh": "乙;"}}),
        (LEGEND, "0: a | b;", {0: {"en": "a", "zh": "b"}}),
        (YAML, "{1: Bad}", {1: "Bad"}), (YAML, 3, 3),
    ],
)  # fmt: skip
def test_what_is_plainly_meant_is_taken(column: Column, cell: Cell, value: Any) -> None:
    assert value_of(column, cell) == value


@pytest.mark.parametrize(
    ("column", "cell", "says"),
    [
        (NUMBER, "12,345", "thousands or a fraction"), (NUMBER, "1 000", "no number"), (NUMBER, "1_000", "no number"),
        (NUMBER, "nan", "no number"), (NUMBER, "1.000,5", "no number"), (NUMBER, True, "TRUE"), (NUMBER, 1e15, "15 digits"),
        (NUMBER, float("nan"), "15 digits"), (NUMBER, "#N/A", "no number"), (NUMBER, "abc", "no number"),
        (NUMBERS, "1; two", "no number"), (TEXT, "P\0a", "control"),
        (TEXT, "2-Jan", "date"), (TEXT, "1月2日", "date"), (TEXT, "2026/1/2 0:00", "date"),
        (LEGEND, "0 closed", "legend"), (LEGEND, "0: closed", "legend"), (LEGEND, "0: a | b; 0: c | d", "twice"),
        (LEGEND, "0:  | b", "legend"), (YAML, "{", "YAML"), (TEXT, Unreadable("holds a formula", "No."), "formula"),
    ],
)  # fmt: skip
def test_what_a_spreadsheet_may_have_changed_is_refused(column: Column, cell: Cell, says: str) -> None:
    refused = value_of(column, cell)
    assert isinstance(refused, Unreadable)
    assert says in refused.wrong
    assert refused.right.endswith(".")


def test_a_field_that_a_tag_gains_has_its_column() -> None:
    fields = {field.alias or name for name, field in ProfileTag.model_fields.items()}
    assert {str(column.path[0]) for column in columns()} == fields
    assert BY_NAME["register.type"].choices[:2] == ("bool", "int16")
    assert [column.path for column in columns() if column.path[0] == "range"] == [("range", 0), ("range", 1)]


def test_bits_are_read_as_makers_write_them() -> None:
    column = next(column for column in columns() if column.name.endswith("not_available"))
    assert value_of(column, "0x8000; 0x7FFF") == [0x8000, 0x7FFF]
    assert isinstance(value_of(column, "0xG000"), Unreadable) or isinstance(value_of(column, "0xG000")[0], Unreadable)
