"""A profile's file with other tags: what did not change stays as it was written."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import CONFIG, PROFILES, imported, put, table

from drivers.profile import Profile
from telemetry.errors import Refusal
from telemetry.plant.document import read
from telemetry.plant.findings import Findings
from telemetry.tags.cells import Cell
from telemetry.tags.changes import changes
from telemetry.tags.csv_files import csv_bytes, csv_sheet
from telemetry.tags.importing import look
from telemetry.tags.rewrite import rewritten, tag_text
from telemetry.tags.table import document_of, rows_of
from telemetry.tags.xlsx_files import xlsx_bytes, xlsx_sheet


def test_a_group_and_its_count() -> None:
    old = PROFILES["honeycomb-opcua"]
    file = CONFIG / "profiles" / "honeycomb-opcua.yaml"
    text = file.read_text("utf-8")
    group = old.repeated[0]
    fewer = old.model_copy(update={"repeated": (group.model_copy(update={"count": 8}),)})
    assert rewritten(text, old, fewer) == text.replace("- count: 12", "- count: 8")
    assert changes(old, fewer).lines == ("~ group 1: count 12 becomes 8",)
    none = old.model_copy(update={"repeated": ()})
    assert rewritten(text, old, none) == text[: text.index("repeated:")]
    assert rewritten(rewritten(text, old, none), none, old).startswith(text[: text.index("repeated:")])
    two = old.model_copy(
        update={"repeated": (group, group.model_copy(update={"tags": {"x{n}": group.tags["cell{n:02d}.o2"]}}))}
    )
    assert rewritten(text, old, two).startswith(text)


@pytest.mark.parametrize(
    ("group", "count", "says"),
    [(1, None, "no count"), (None, 4, "no group"), (1, 5, "count 4 above, and 5"), ("a", 4, "column B (group)"),
     (1.5, 4, "whole numbers"), (1, 99, "")],
)  # fmt: skip
def test_rows_that_do_not_agree(group: Cell, count: Cell, says: str) -> None:
    profile = PROFILES["isolator-opcua"]
    rows = rows_of(profile)
    extra = list(rows[-1])
    extra[:3] = ["hand{n}", group, count]
    findings = Findings()
    sheet = xlsx_sheet(xlsx_bytes([*rows, extra]), "x.xlsx")
    document_of(sheet, profile, read(CONFIG / "profiles" / "isolator-opcua.yaml", CONFIG, findings), findings)
    assert any(f"row {len(rows) + 1}" in str(mistake) and says in str(mistake) for mistake in findings.mistakes)


def test_a_mistake_in_a_repeated_tag() -> None:
    def told(column: str, value: Cell) -> str:
        rows = rows_of(PROFILES["honeycomb-opcua"])
        rows[-1][rows[0].index(column)] = value
        return "\n".join(map(str, look(CONFIG, "honeycomb-opcua", csv_sheet(csv_bytes(rows), "x.csv")).mistakes))

    row = len(rows_of(PROFILES["honeycomb-opcua"]))
    assert f"row {row}: group 1 has the count 12 above, and 65 here" in told("count", 65)
    same = told("node", "s=Fixed")
    assert f"row {row}" in same
    assert "same node s=Fixed for every number" in same


@pytest.mark.parametrize(
    "before",
    [
        "tags: {a: {name: {en: A, zh: 甲}, node: s=A}, b: {name: {en: B, zh: 乙}, node: s=B}}\n",
        "tags:\n  a: &one {name: {en: A, zh: 甲}, node: s=A}\n  b: {<<: *one, node: s=B, name: {en: B, zh: 乙}}\n",
        "tags:\r\n    a:\r\n        name: {en: A, zh: 甲}\r\n        node: s=A\r\n\r\n    # b\r\n"
        "    b: {name: {en: B, zh: 乙}, node: s=B}",
    ],
)
def test_however_it_is_written(before: str) -> None:
    head = (
        "profile: p\nname: {en: P, zh: 乙}\nequipment_type: x\nmaker: m\nsource: s\nprotocol: opcua\nnamespace: urn:x\n"
    )
    text = head.replace("\n", "\r\n") + before if "\r" in before else head + before
    old = Profile.model_validate(yaml.safe_load(text))
    new = old.model_copy(update={"tags": {"b": old.tags["b"], "c": old.tags["a"].model_copy(update={"unit": "%RH"})}})
    after = rewritten(text, old, new)
    assert Profile.model_validate(yaml.safe_load(after)) == new
    assert list(yaml.safe_load(after)["tags"]) == ["b", "c"]
    assert after.startswith(text[: text.index("tags:")])
    assert after.count("\r\n") == (after.count("\n") if "\r" in before else 0)
    empty = old.model_copy(update={"tags": {}})
    assert yaml.safe_load(rewritten(text, old, empty))["tags"] == {}


@settings(max_examples=40)
@given(st.data())
def test_whatever_is_kept_keeps_its_text(data: st.DataObject) -> None:
    old = PROFILES["isolator-opcua"]
    text = (CONFIG / "profiles" / "isolator-opcua.yaml").read_text("utf-8").replace("  door.", "  # wired\n  door.")
    order = data.draw(st.permutations(list(old.tags)))
    kept = order[: data.draw(st.integers(1, len(order)))]
    touched = data.draw(st.sampled_from(kept))
    tags = {name: old.tags[name] for name in kept}
    tags[touched] = tags[touched].model_copy(update={"setpoint": 41.5})
    after = rewritten(text, old, old.model_copy(update={"tags": tags}))
    assert after.count("# wired") == sum(name.startswith("door.") for name in kept)
    assert all(tag_text(name, tag, 2) in after for name, tag in tags.items())
    assert after[after.index("repeated:") :] == text[text.index("repeated:") :]
    assert after.startswith(text[: text.index("tags:")])


def test_tags_are_written_as_the_project_writes_them() -> None:
    for name in ("isolator-opcua", "bsc-modbus", "counter-lighthouse"):
        text = (CONFIG / "profiles" / f"{name}.yaml").read_text("utf-8")
        assert all(tag_text(tag, spec, 2) in text for tag, spec in PROFILES[name].tags.items())


def test_a_file_that_somebody_changed_meanwhile_is_left_alone(root: Path) -> None:
    rows = table(root, "isolator-small", put(2, "setpoint", 45))
    found = look(root, "isolator-small", csv_sheet(csv_bytes(rows), "x.csv"))
    file = root / "profiles" / "isolator-small.yaml"
    file.write_text(file.read_text("utf-8") + "# mine\n", "utf-8")
    with pytest.raises(Refusal, match="changed while"):
        found.write()
    assert file.read_text("utf-8").endswith("# mine\n")
    assert not list(file.parent.glob(".*"))


def test_a_profile_that_is_not_there_or_is_broken(root: Path) -> None:
    rows = table(root, "isolator-small")
    with pytest.raises(Refusal, match="Did you mean isolator-small"):
        look(root, "isolator-smal", csv_sheet(csv_bytes(rows), "x.csv"))
    file = root / "profiles" / "isolator-small.yaml"
    file.write_text(file.read_text("utf-8").replace("kind: state", "kind: stat"), "utf-8")
    outcome = imported(root, rows, "isolator-small")
    assert outcome.exit_code == 1
    assert f"{file}:" in outcome.output
