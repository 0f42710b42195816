"""What a role can be allowed to do, one permission for each kind of act. Reading needs none: every known user may look."""

from collections.abc import Mapping
from typing import Final

PERMISSIONS: Final[Mapping[str, str]] = {
    "alarm.acknowledge": "say that an alarm was seen",
    "alarm.reset": "release a latched alarm",
    "alarm.shelve": "shelve and unshelve an alarm for a time",
    "alarm.out-of-service": "take an alarm out of service and back",
    "annunciator.silence": "silence horns",
    "annunciator.test": "test horns and lamps",
    "interlock.reset": "reset a trip",
    "interlock.bypass": "bypass a cause for a time",
    "interlock.test": "prove an interlock by a test",
    "cycle.start": "start a decontamination cycle",
    "cycle.abort": "abort a decontamination cycle",
    "batch.manage": "open and close batches, record stays and phases",
    "batch.review": "review a batch's dossier",
    "attachment.sign": "sign an attachment",
    "result.enter": "enter viable results",
    "calibration.enter": "enter calibrations",
    "log.write": "write in the shift log",
    "config.change": "change limits, alarms and the rest of the configuration",
    "audit.review": "review the audit trail",
    "user.manage": "make, change and lock users",
}
"""Meaning by permission, named noun.verb."""

ADMINISTRATION: Final = frozenset({"user.manage"})
"""Whoever holds one of these neither operates nor signs (China 2020: operators' and administrators' rights are separated)."""
