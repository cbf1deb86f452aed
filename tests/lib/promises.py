"""The promises of SPECIFICATION.md: the rows of its tables, by the name in the first column.

A row's second cell is `≤ NUMBER UNIT`; where the third begins with "told", the machine's speed
decides, and nothing fails.
"""
import re
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).resolve().parents[2] / "SPECIFICATION.md"
ROW = re.compile(r"^\| ([^|]+) \| (≤ ([\d.,]+)[^|]*) \| ([^|]*) \|", re.M)


class Promise(NamedTuple):
    """What is promised, and whether a test fails when it is broken."""

    text: str
    number: float
    binding: bool


def promises():
    """Every promise by its name."""
    found = {}
    for name, text, number, held in ROW.findall(FILE.read_text()):
        assert name not in found, f"SPECIFICATION.md promises {name!r} twice"
        found[name] = Promise(text, float(number.replace(",", "")), not held.startswith("told"))
    return found
