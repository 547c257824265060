"""What explorers leave in a static page."""

import json
import re

PAYLOAD = re.compile(r'<script type="application/json">(.*?)</script>', re.S)
ELSEWHERE = re.compile(
    r"https?:|//[a-z0-9.]+/|\bimport\b|@import|url\(|(?<!-)\beval\b(?!-)|new Function"
)


def state(fragment) -> dict:
    """The first state of an explorer."""
    return json.loads(PAYLOAD.search(fragment.data)[1])


def code_of(fragment) -> str:
    """The fragment without its state, which may hold any bytes in base64."""
    return PAYLOAD.sub("", fragment.data)


def asks_for_nothing(text: str) -> bool:
    """Whether a page with this text loads nothing and runs no text as code."""
    return not ELSEWHERE.search(text)
