"""Proof of the word order: constants that a maker keeps in the device, compared with what the profile says they read. Pure.

A wrong order gives numbers that look right (a float's words swapped is another float), so a device that disagrees with its
constants gives no reading at all.
"""

from collections.abc import Sequence
from typing import Final, get_args

import numpy as np
from numpy.typing import NDArray

from drivers.profile import Proof, Register, ServerLimits, WordOrder
from drivers.registers import Plan, decode, decode_text, plan

_ORDERS: Final[tuple[WordOrder, ...]] = get_args(WordOrder)


def planned_proof(proofs: Sequence[Proof], limits: ServerLimits) -> Plan:
    """How the constants are read."""
    return plan([proof.register_ for proof in proofs], limits)


def contradiction(proofs: Sequence[Proof], planned: Plan, image: NDArray[np.uint16]) -> str | None:
    """What the first constant that disagrees says, as the rest of a sentence that begins with a device's name; None: all agree."""
    for slot, proof in enumerate(proofs):
        register = proof.register_
        first = planned.where[slot]
        words = image[first : first + register.words]
        if _agrees(proof, register.order, words):
            continue
        what = "word order" if register.words > 1 and register.type != "text" else "byte order"
        fitting = fits(proof, words)
        remedy = (
            f"it fits as {fitting[0]}: correct the order in the profile, or the device's setting"
            if fitting
            else "no order fits: it may be another model, or another register map"
        )
        return (
            f"does not have the {what} that its profile says: {register.table} register {register.address + 1} should read"
            f" {_shown(proof.equals)} as {register.order} and reads {_shown(_read(register, register.order, words))}; {remedy}"
        )
    return None


def fits(proof: Proof, words: Sequence[int] | NDArray[np.uint16]) -> list[WordOrder]:
    """The orders in which `words` read as the constant."""
    return [order for order in _ORDERS if _agrees(proof, order, np.array(words, np.uint16))]


def _read(register: Register, order: WordOrder, words: NDArray[np.uint16]) -> float | str:
    alone = register.model_copy(update={"address": 0, "order": order, "group": None})
    planned = plan([alone], ServerLimits())
    if alone.type == "text":
        return decode_text(planned, 0, alone, words)
    return float(decode(planned, words)[0][0])


def _agrees(proof: Proof, order: WordOrder, words: NDArray[np.uint16]) -> bool:
    found = _read(proof.register_, order, words)
    if isinstance(found, str) or isinstance(proof.equals, str):
        return found == proof.equals
    return bool(np.isclose(found, proof.equals, rtol=1e-6, atol=0.0))


def _shown(value: float | str) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value:.9g}"
