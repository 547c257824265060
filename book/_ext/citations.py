"""Citations that any Markdown reads: links with author and year, written and checked
from references.bib.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from pathlib import Path

from pybtex.database import Entry, parse_file
from pybtex.richtext import Text

BIBLIOGRAPHY = Path(__file__).resolve().parent.parent / "references.bib"
ROLE = re.compile(r"\{cite(:t)?\}`([^`]+)`")
LINK = re.compile(r"\[([^\[\]]*)\]\((https?://[^()\s]+)\)")
#: Where papers live: a link there is a citation, and must be in references.bib.
PAPERS = ("https://arxiv.org/", "https://doi.org/")


class CitationError(ValueError):
    """A citation that references.bib does not know; the message says what to add."""


def address(key: str, entry: Entry) -> str:
    """Where the paper of an entry is found: its eprint, doi or url. Raises
    CitationError where all three are missing.
    """
    fields = entry.fields
    if "eprint" in fields:
        return f"https://arxiv.org/abs/{fields['eprint']}"
    if "doi" in fields:
        return f"https://doi.org/{fields['doi']}"
    if "url" in fields:
        return fields["url"]
    raise CitationError(
        f"{key} in references.bib has no address; give it an eprint, a doi or a url"
    )


def author_year(entry: Entry) -> str:
    """The name of an entry in a sentence: Ho et al., 2020."""
    people = entry.persons["author"]
    names = [str(Text.from_latex(" ".join(p.prelast_names + p.last_names)))
             for p in people]  # fmt: skip
    if len(names) == 1:
        who = names[0]
    elif len(names) == 2 and names[1] != "others":
        who = " & ".join(names)
    else:
        who = f"{names[0]} et al."
    return f"{who}, {entry.fields['year']}"


@cache
def papers(path: Path = BIBLIOGRAPHY) -> dict[str, tuple[str, str]]:
    """The label and the address of every entry by its key. Entries with the same
    authors and year are told apart by a letter, in the order of their keys.
    """
    entries = parse_file(path).entries
    alike = defaultdict(list)
    for key in sorted(entries):
        alike[author_year(entries[key])].append(key)
    labels = {
        key: label if len(keys) == 1 else label + "abcdefgh"[i]
        for label, keys in alike.items()
        for i, key in enumerate(keys)
    }
    return {key: (labels[key], address(key, entries[key])) for key in entries}


def cited(text: str, path: Path = BIBLIOGRAPHY) -> str:
    """Markdown in which {cite}`key` is a link in brackets, {cite:t}`key` one without,
    and every link to a known paper has the label that references.bib gives it.

    Raises CitationError for an unknown key, and for a link to a paper that is not in
    references.bib.
    """
    known = papers(path)
    by_address = {where: label for label, where in known.values()}

    def links(found: re.Match) -> str:
        keys = [key.strip() for key in found[2].split(",")]
        if unknown := [key for key in keys if key not in known]:
            raise CitationError(
                f"{', '.join(unknown)} is cited, but not in references.bib; add it, "
                "with an eprint, a doi or a url"
            )
        shown = ", ".join(f"[{known[key][0]}]({known[key][1]})" for key in keys)
        return shown if found[1] else f"({shown})"

    def relabelled(found: re.Match) -> str:
        if found[2] in by_address:
            return f"[{by_address[found[2]]}]({found[2]})"
        if found[2].startswith(PAPERS):
            raise CitationError(
                f"{found[2]} is linked, but not in references.bib; add it, and cite "
                "it by its key"
            )
        return found[0]

    return LINK.sub(relabelled, ROLE.sub(links, text))
