"""What opinions are called before people."""

from __future__ import annotations

from engines.person_models.folder import PERSON_MODEL
from engines.witnesses.fusion_table import ENGINE

_PLAIN_NAMES = {
    ENGINE: "Facial motion (F5C)",
    "expression_dynamics": "Expression dynamics",
    "facial_codes": "Facial movements",
    PERSON_MODEL: "Person model",
}


def plain_name(name: str) -> str:
    """The name of an opinion for people; that of an unknown witness in words as it is."""
    return _PLAIN_NAMES.get(name, name.replace("_", " ").capitalize())
