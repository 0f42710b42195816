"""Horns and lamps: every area heard, on tags that can be written and are on or off."""

from telemetry.plant.checks.whole import Whole
from telemetry.plant.document import Place
from telemetry.plant.findings import nearest


def check(whole: Whole) -> None:
    areas = {area.id for area in whole.plant.areas}
    heard: dict[str, str] = {}
    used: dict[str, str] = {}
    for i, entry in enumerate(whole.plant.annunciators):
        document = whole.files.annunciators[1] if whole.files.annunciators else None
        if document is None:
            return
        place: Place = (document, ("annunciators", i))
        for n, area in enumerate((entry.area, *entry.also)):
            spot = (document, (*place[1], "area") if n == 0 else (*place[1], "also", n - 1))
            if area not in areas and not whole.files.may_exist(area):
                whole.wrong(spot, f"area {area} does not exist", nearest(area, areas))
        if entry.area in heard:
            right = "Keep one; `also` lets a horn sound for further areas."
            whole.wrong((document, (*place[1], "area")), f"area {entry.area} has an annunciator already", right)
        heard[entry.area] = entry.horn
        _output(whole, entry.area, "horn", entry.horn, (document, (*place[1], "horn")), used)
        for priority, lamp in entry.lamps.items():
            _output(whole, entry.area, f"lamp {priority}", lamp, (document, (*place[1], "lamps", priority)), used)
    if whole.files.broken.isdisjoint(("annunciators", "areas")):
        for area in sorted(areas - heard.keys()):
            right = f"Add an entry for {area} to annunciators.yaml, with a horn."
            whole.wrong(whole.origins.areas[area], f"no annunciator warns the people of area {area}", right)


def _output(whole: Whole, area: str, part: str, tag_id: str, place: Place, used: dict[str, str]) -> None:
    tag = whole.plant.tags.get(tag_id)
    if tag is None:
        if not whole.files.may_have_tag(tag_id):
            whole.wrong(place, f"{part} of area {area}: tag {tag_id} does not exist", nearest(tag_id, whole.plant.tags))
        return
    if not tag.spec.writable:
        right = "Name a writable tag, for example the horn of a beacon."
        whole.wrong(place, f"{part} of area {area}: tag {tag_id} cannot be written", right)
    if tag.spec.kind != "boolean":
        right = "Name a boolean tag, for example the horn of a beacon."
        whole.wrong(place, f"{part} of area {area}: tag {tag_id} has kind {tag.spec.kind} and is not on or off", right)
    owner = used.setdefault(tag_id, f"{part} of area {area}")
    if owner != f"{part} of area {area}":
        whole.wrong(place, f"{part} of area {area}: tag {tag_id} is the {owner} already", "Give each its own output.")
