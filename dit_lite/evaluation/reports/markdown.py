"""Untrusted text in Markdown: shown as it is, never interpreted."""

import json
import re

#: Characters with a meaning in Markdown, and what a browser would take for a tag.
ACTIVE = re.compile(r"([\\`*_{}\[\]()#!|~$@])")
TAGS = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def plain(text: object) -> str:
    """A text for a line or a table cell: no character in it is interpreted, and it is
    one line.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    line = ACTIVE.sub(r"\\\1", line)
    line = "".join(TAGS.get(c, c) for c in line)
    # addresses are no links, and lists and headings begin no line
    line = re.sub(r"(?i)\b(https?|ftp|mailto):", r"\1&#58;", line)
    line = re.sub(r"(?i)\bwww\.", "www&#46;", line)
    return re.sub(r"^([-+=]|\d+(?=[.)]))", r"&#8203;\1", line)


def code(text: object) -> str:
    """A text as code, between more backticks than it holds."""
    line = "".join(c if c.isprintable() else " " for c in str(text))
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}".replace("|", "\\|")


def literal(text: str) -> str:
    """A text as a Python literal, for a line that is meant to be copied."""
    return json.dumps(text)
