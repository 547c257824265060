"""JSON as other programs read it: without NaN and Infinity, which the standard does not
allow (RFC 8259 section 6).
"""

import json
import math


def to_json(value: object, indent: int | None = None) -> str:
    """A value as JSON; numbers that are not finite become null."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return value
