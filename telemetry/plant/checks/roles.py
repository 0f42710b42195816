"""Roles: known permissions only, administration apart from operation, and the roles that the service itself needs."""

from telemetry.plant.checks.whole import Whole
from telemetry.plant.findings import listed, nearest
from telemetry.plant.permissions import ADMINISTRATION, PERMISSIONS


def check(whole: Whole) -> None:
    if whole.files.roles is None:
        return
    file, document = whole.files.roles
    for role, permissions in file.roles.items():
        for i, permission in enumerate(permissions):
            spot = (document, ("roles", role, i))
            if permission not in PERMISSIONS:
                whole.wrong(
                    spot, f"role {role}: permission {permission} is not known", nearest(permission, PERMISSIONS)
                )
            if permission in permissions[:i]:
                whole.wrong(spot, f"role {role}: permission {permission} is given twice", "Keep one of the two.")
        others = [one for one in permissions if one not in ADMINISTRATION]
        if others and not ADMINISTRATION.isdisjoint(permissions):
            whole.wrong(
                (document, ("roles", role)),
                f"role {role} manages users and may also {PERMISSIONS.get(others[0], others[0])}",
                "Keep administration in a role of its own: an administrator neither operates nor signs.",
            )
    if "roles" in whole.files.broken:
        return
    given = {permission for permissions in file.roles.values() for permission in permissions}
    missing = sorted({"user.manage", "alarm.acknowledge", "annunciator.silence"} - given)
    if missing:
        what = f"no role has {listed(missing)}, so nobody could {PERMISSIONS[missing[0]]}"
        whole.wrong((document, ("roles",)), what, "Give it to a role.")
    if file.roles.get("viewer", None) is None:
        whole.wrong((document, ("roles",)), "the role viewer is missing", "Add it with an empty list: viewer: [].")
    elif file.roles["viewer"]:
        what = "the role viewer may act, but whoever only looks bears it without signing in"
        whole.wrong((document, ("roles", "viewer")), what, "Leave its list empty: viewer: [].")
