"""How precisely a GPU engine computes."""

from __future__ import annotations

from typing import Literal, TypeAlias

Precision: TypeAlias = Literal["fp32", "fp16"]
"""fp16 is mixed: half tensors in backbone and head, fp32 from the position on. fp32 excludes TF32."""
