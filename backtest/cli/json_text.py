"""Figures as JSON that every parser reads."""

import json
import math


def json_text(figures: object, indent: int | None = None) -> str:
    """As JSON, where a figure that is not a number (NaN, infinite) becomes null: JSON has no word for it."""
    return json.dumps(_finite(figures), indent=indent, allow_nan=False)


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
