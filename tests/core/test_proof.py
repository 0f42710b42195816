"""Constants that prove the word order, with the words of a Vaisala HPP272 written by hand (7937 = -12345, 7938 = -123.45)."""

import numpy as np
import pytest

from drivers.modbus.proof import contradiction, fits, planned_proof
from drivers.profile import Proof, Register, ServerLimits, WordOrder

LIMITS = ServerLimits()


def proofs(order: WordOrder = "CDAB") -> list[Proof]:
    return [
        Proof(register=Register(table="holding", address=7936, type="int16"), equals=-12345),
        Proof(register=Register(table="holding", address=7937, type="float32", order=order), equals=-123.45),
        Proof(register=Register(table="holding", address=7939, type="text", length=4), equals="-123.45"),
    ]


WORDS = [0xCFC7, 0xE666, 0xC2F6, 0x2D31, 0x3233, 0x2E34, 0x3500]


def said(asked: list[Proof], words: list[int]) -> str | None:
    return contradiction(asked, planned_proof(asked, LIMITS), np.array(words, np.uint16))


def test_a_device_that_is_as_its_profile_says() -> None:
    assert said(proofs(), WORDS) is None


@pytest.mark.parametrize("order", ["ABCD", "BADC", "DCBA"])
def test_a_wrong_word_order_is_told_with_the_one_that_fits(order: WordOrder) -> None:
    sentence = said(proofs(order), WORDS)
    assert sentence is not None
    assert f"holding register 7938 should read -123.45 as {order} and reads " in sentence
    assert "word order" in sentence
    assert "it fits as CDAB: correct the order in the profile" in sentence


def test_swapped_bytes_are_told_too() -> None:
    swapped = [(w & 0xFF) << 8 | w >> 8 for w in WORDS]
    sentence = said(proofs(), swapped)
    assert sentence is not None
    assert "byte order" in sentence
    assert "register 7937 should read -12345 as ABCD and reads -14385; it fits as BADC" in sentence
    assert "fits as BADC" in str(said(proofs()[2:], swapped[3:]))


def test_another_device_is_told_as_such() -> None:
    sentence = said(proofs(), [0] * 7)
    assert sentence is not None
    assert "reads 0; no order fits: it may be another model" in sentence
    text = said(proofs(), [*WORDS[:3], 0x4142, 0, 0, 0])
    assert text is not None
    assert 'should read "-123.45" as ABCD and reads "AB"' in text


def test_a_constant_that_is_the_same_in_every_order_proves_nothing() -> None:
    assert len(fits(Proof(register=Register(table="input", address=0, type="int32"), equals=-1), [0xFFFF, 0xFFFF])) == 4


def test_a_text_is_compared_with_a_text() -> None:
    with pytest.raises(ValueError, match="equals a text"):
        Proof(register=Register(table="input", address=0, type="text", length=2), equals=1)
