"""Tag lists as tables: out and back without a change, every mistake named by sheet, row and column."""

from pathlib import Path

import pytest
from tables import CONFIG, NODE, PROFILES, Change, console, imported, put, removed, table

from drivers.profile import Profile
from telemetry.errors import Refusal
from telemetry.plant.document import read
from telemetry.plant.findings import Findings
from telemetry.plant.load import load
from telemetry.tags.cells import Cell
from telemetry.tags.csv_files import csv_bytes, csv_sheet
from telemetry.tags.table import document_of, rows_of
from telemetry.tags.xlsx_files import xlsx_bytes, xlsx_sheet


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_profile_goes_out_and_back_unchanged(name: str, kind: str) -> None:
    rows = rows_of(PROFILES[name])
    sheet = csv_sheet(csv_bytes(rows), "x.csv") if kind == "csv" else xlsx_sheet(xlsx_bytes(rows), "x.xlsx")
    findings = Findings()
    file = next(f for f in CONFIG.glob("profiles/*.yaml") if f"profile: {name}\n" in f.read_text("utf-8"))
    document = document_of(sheet, PROFILES[name], read(file, CONFIG, findings), findings)
    assert findings.mistakes == []
    back = Profile.model_validate(document.content)
    assert back == PROFILES[name]
    assert list(back.expanded()) == list(PROFILES[name].expanded())


def test_export_then_import_is_no_change(root: Path) -> None:
    before = (root / "profiles" / "isolator-small.yaml").read_bytes()
    for file in (root.parent / "list.csv", root.parent / "list.xlsx"):
        assert "4 tags written" in console("export", "isolator-small", "--to", file).output
        outcome = console("import", file, "--profile", "isolator-small")
        assert outcome.exit_code == 0, outcome.output
        assert "say the same" in outcome.output
    assert (root / "profiles" / "isolator-small.yaml").read_bytes() == before


def test_what_changes_is_told_and_the_rest_of_the_file_stays(root: Path) -> None:
    file = root / "profiles" / "isolator-small.yaml"
    text = file.read_text("utf-8").replace("  fan:", "  # the fan, as wired in 2024\n  fan:") + "# end\n"
    file.write_text(text, "utf-8")

    def change(rows: list[list[Cell]]) -> None:
        put(2, "range.high", "250,5")(rows)
        added: list[Cell] = [None] * len(rows[0])
        rows.insert(3, added)
        for column, value in {
            "tag": "speed",
            "name.en": "Speed",
            "name.zh": "转速",
            "unit": "1/min",
            "node": "s=Speed",
        }.items():
            put(4, column, value)(rows)
        rows.remove(next(row for row in rows if row[0] == "firmware"))

    rows = table(root, "isolator-small", change)
    tried = imported(root, rows, "isolator-small", "--dry-run")
    assert tried.exit_code == 0, tried.output
    for part in (
        "+ speed: Speed, 转速",
        "~ pressure: range.high 300 becomes 250.5",
        "- firmware",
        "1 added, 1 changed, 1 removed",
    ):
        assert part in tried.output
    assert file.read_text("utf-8") == text, "a trial run writes nothing"

    assert "written" in imported(root, rows, "isolator-small").output
    lines = [line for line in text.splitlines() if not line.startswith("  firmware:")]
    lines[lines.index(next(x for x in lines if x.startswith("  pressure:")))] = (
        "  pressure: {name: {en: Pressure, zh: 压差}, unit: Pa, range: [-200, 250.5], setpoint: 40, node: s=Pressure}"
    )
    lines.insert(
        lines.index(next(x for x in lines if x.startswith("  hold:"))),
        "  speed: {name: {en: Speed, zh: 转速}, unit: 1/min, node: s=Speed}",
    )
    kept = [line for line in lines if line != "# end"]
    assert [line for line in file.read_text("utf-8").splitlines() if line != "# end"] == kept
    assert list(load(root).profiles["isolator-small"].tags) == ["pressure", "fan", "speed", "hold"]
    assert not list(file.parent.glob(".*")), "nothing is left beside the file"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put(2, "unit", 5), ["unit: \"5\""]),  # an alarm watches in Pa: the whole configuration is checked
        (put(2, "range.low", "low"), ["row 2, column F (range.low)", "'low', which is no number"]),
        (put(2, "range.high", None), ["row 2, column G (range.high)", "missing"]),
        (put(2, "range.high", -300), ["row 2:", "lower"]),
        (put(2, "setpoint", 900), ["row 2, column I (setpoint)", "outside its range"]),
        (put(3, "kind", "stat"), ["row 3, column D (kind)", "Did you mean state?"]),
        (put(3, "legend", None), ["row 3", "legend"]),
        (put(3, "tag", "pressure"), ["row 3", "given twice"]),
        (put(3, "tag", None), ["row 3, column A (tag)", "no name"]),
        (put(3, "tag", "Fan"), ["row 3", "not a name for a tag"]),
        (put(3, "name.zh", None), ["row 3, column C (name.zh)", "missing"]),
        (put(4, "node", "s=Pressure"), ["row 4", "same node"]),
        (put(1, "node", "nod"), [f"row 1, column {NODE}", "Did you mean node?"]),
        (put(1, "node", "unit"), [f"row 1, column {NODE}", "given twice"]),
        (put(1, "node", None), [f"row 1, column {NODE}", "no name"]),
        (removed("node"), ["row 1", "column node is missing", "4 tags"]),
        (lambda rows: rows[2].append("x"), ["row 1, column", "has values and no name"]),
    ],
)  # fmt: skip
def test_a_mistake_is_named_where_it_stands(root: Path, change: Change, says: list[str]) -> None:
    before = (root / "profiles" / "isolator-small.yaml").read_bytes()
    outcome = imported(root, table(root, "isolator-small", change), "isolator-small")
    assert outcome.exit_code == 1
    lines = outcome.output.splitlines()
    assert any(all(part in line for part in says) for line in lines), outcome.output
    assert "Nothing was written" in lines[-1]
    assert (root / "profiles" / "isolator-small.yaml").read_bytes() == before


def test_every_mistake_at_once(root: Path) -> None:
    def change(rows: list[list[Cell]]) -> None:
        put(2, "node", None)(rows)
        put(3, "kind", "stat")(rows)
        put(4, "writable", "perhaps")(rows)
        put(5, "setpoint", "12,345")(rows)

    outcome = imported(root, table(root, "isolator-small", change), "isolator-small")
    for row in (2, 3, 4, 5):
        assert f"row {row}" in outcome.output
    wrong_protocol = table(root, "isolator-small")
    for row in wrong_protocol[1:]:
        row[wrong_protocol[0].index("node")] = None
        row += ["holding", len(str(row))]
    wrong_protocol[0] += ["register.table", "register.address"]
    told = imported(root, wrong_protocol, "isolator-small").output
    assert all(f"row {row}" in told for row in (2, 3, 4, 5)), told


def test_the_order_of_tags_is_a_change_too(root: Path) -> None:
    def change(rows: list[list[Cell]]) -> None:
        rows[1], rows[2] = rows[2], rows[1]
        note: list[Cell] = [None] * len(rows[0])
        for row in rows:
            row.append(None)
        rows[0][-1] = "# note"
        rows.insert(3, [*note, "a row of notes alone"])

    outcome = imported(root, table(root, "isolator-small", change), "isolator-small")
    assert outcome.exit_code == 0, outcome.output
    assert "the order of the tags" in outcome.output
    assert list(load(root).profiles["isolator-small"].tags) == ["fan", "pressure", "hold", "firmware"]


def test_a_mistake_elsewhere_is_named_in_its_file(root: Path) -> None:
    outcome = imported(root, table(root, "isolator-small", lambda rows: rows.pop(1)), "isolator-small")
    assert outcome.exit_code == 1
    assert f"{root}/alarms/" in outcome.output, "an alarm watches the tag that would go"


def test_the_plant_as_one_list(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TELEMETRY_CONFIG", str(CONFIG))
    file = tmp_path / "plant.csv"
    assert console("export", "--plant", "--to", file).exit_code == 0
    head, *rows = [row for _, row in csv_sheet(file.read_bytes(), "plant").rows]
    plant = load(CONFIG)
    assert [row[0] for row in rows] == list(plant.tags)
    row = dict(zip(head, next(row for row in rows if row[0] == "L01-ISO.chamber.pressure"), strict=False))
    shown = [row[name] for name in ("unit", "range.low", "range.high", "grade", "line")]
    assert shown == ["Pa", "-200", "300", "A", "L01"]
    watching = [alarm for alarm in plant.alarms if alarm.tag is not None and alarm.tag.id == "L01-ISO.chamber.pressure"]
    assert row["alarms"] == str(len(watching)) != "0"
    assert all(alarm.entry.name in str(row["limits"]) for alarm in watching)
    commanded = dict(zip(head, next(row for row in rows if row[0] == "L01-ISO.process.hold"), strict=False))
    commands = [tag for interlock in plant.interlocks for tag, _, _ in interlock.effects]
    assert commanded["effect of"] == str(commands.count("L01-ISO.process.hold")) != "0"


def test_what_the_console_refuses(root: Path) -> None:
    for words, says in (
        (["export"], "not clear"),
        (["export", "isolator-smal"], "There is no profile"),
        (["export", "isolator-small", "--to", str(root / "x.pdf")], "neither a CSV"),
        (["export", "isolator-small", "--to", str(root / "none" / "x.csv")], "cannot be written"),
        (["import", str(root / "none.csv"), "--profile", "isolator-small"], "cannot be read"),
        (["import", str(root / "plant.yaml"), "--profile", "isolator-small"], "neither a CSV"),
    ):
        outcome = console(*words)
        assert isinstance(outcome.exception, Refusal), outcome.output
        assert says in outcome.exception.what
    assert console("export", "isolator-small").output.startswith("tag,name.en,name.zh,kind,unit")


def test_a_separator_without_quotes_is_found_although_the_last_cell_is_empty(root: Path) -> None:
    file = root.parent / "list.csv"
    console("export", "isolator-small", "--to", file)
    lines = file.read_text("utf-8-sig").splitlines()
    moved = next(n for n, line in enumerate(lines) if line.startswith("fan,"))
    lines[moved] = lines[moved].replace("fan,", "fan,1,", 1)
    file.write_text("\n".join(lines) + "\n", "utf-8")
    outcome = console("import", file, "--profile", "isolator-small", "--dry-run")
    assert outcome.exit_code == 1
    assert "there is more in the row than the head has columns" in outcome.output
