"""What a caption claims, read back from its words: the objects with the attributes it
names, their places and relations, and which word refers to which object.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .scene import (
    BACKGROUNDS,
    COLOURS,
    COLUMNS,
    MOST,
    ROWS,
    SHAPES,
    SIZES,
    TEXTURES,
    Scenes,
)
from .words import EXAMPLE, MAX_TOKENS, CaptionError, decode, encode

#: attribute -> its values; a place is split into column and row
ATTRIBUTES = {
    "shape": SHAPES, "colour": COLOURS, "size": SIZES, "texture": TEXTURES,
    "column": COLUMNS, "row": ROWS,
}  # fmt: skip
RELATIONS = ("left of", "right of", "above", "below")
ALIKE = {"little": "small", "big": "large", "middle": "centre", "under": "below"}
_KIND = {
    word: (attribute, i)
    for attribute in ("shape", "colour", "size", "texture")
    for i, word in enumerate(ATTRIBUTES[attribute])
}


@dataclass(frozen=True)
class Claims:
    """What a caption says. `objects`: for each, attribute -> number of its value, only
    where it is given. `relations`: (first, relation, second), by numbers of objects and
    of RELATIONS. `background`: its number or None. `about` (16,): which object a word
    refers to, -1 for none.
    """

    caption: str
    objects: tuple[dict[str, int], ...]
    relations: tuple[tuple[int, int, int], ...]
    background: int | None
    about: np.ndarray


def read(caption: str | Sequence[int]) -> Claims:
    """The claims of a caption, given as a string or as ids (M,).

    Raises CaptionError when a word is unknown or stands where the grammar (captions.py)
    does not allow it.
    """
    text = caption if isinstance(caption, str) else decode(caption)
    ids = encode(text)
    words = [ALIKE.get(word, word) for word in decode(ids).split()]
    return _Reader(text, words).claims(len(ids))


def truth(scenes: Scenes) -> list[Claims]:
    """All that could be said of each scene: every attribute of every object, every
    relation of a pair, the background; `about` is -1 throughout, since no word is said.
    """
    return [_all_of(scenes, i) for i in range(len(scenes))]


def _all_of(scenes: Scenes, i: int) -> Claims:
    count, relations = int(scenes.count[i]), []
    for a in range(count):
        for b in range(a + 1, count):
            across = scenes.column[i, b] - scenes.column[i, a]
            down = scenes.row[i, b] - scenes.row[i, a]
            for step, ahead in ((across, 0), (down, 2)):
                if abs(step) == 2:
                    relations.append((a, ahead + int(step < 0), b))
    objects = tuple(
        {name: int(getattr(scenes, name)[i, k]) for name in ATTRIBUTES}
        for k in range(count)
    )
    return Claims(
        "",
        objects,
        tuple(relations),
        int(scenes.background[i]),
        np.full(MAX_TOKENS, -1),
    )


@dataclass
class _Reader:
    caption: str
    words: list[str]
    at: int = 0
    objects: list[dict[str, int]] = field(default_factory=list)
    relations: list[tuple[int, int, int]] = field(default_factory=list)
    background: int | None = None
    about: dict[int, int] = field(default_factory=dict)
    placed_next: tuple[dict[str, int], list[int]] | None = None
    related_next: tuple[int, list[int]] | None = None

    def claims(self, length: int) -> Claims:
        while self.at < len(self.words):
            self._part()
        if self.placed_next or self.related_next or not self.objects:
            raise self._lost("an object, such as 'a red circle'")
        about = np.full(length, -1)
        about[list(self.about)] = list(self.about.values())
        return Claims(
            self.caption, tuple(self.objects), tuple(self.relations), self.background,
            about,
        )  # fmt: skip

    def _part(self) -> None:
        ahead = self.words[self.at : self.at + 4]
        word = ahead[0]
        if word in ("and", "is"):
            self.at += 1
        elif word == "on" and ahead[-1] == "background" and len(ahead) == 4:
            self._scenery(ahead)
        elif word in ("at", "in", "on"):
            self._place()
        elif word in ("above", "below") or ahead[1:2] == ["of"]:
            self._relation(ahead)
        else:
            self._object()

    def _scenery(self, ahead: list[str]) -> None:
        if ahead[1] not in ("a", "the") or ahead[2] not in BACKGROUNDS:
            raise self._lost("'on a dark background'")
        self.background, self.at = BACKGROUNDS.index(ahead[2]), self.at + 4

    def _place(self) -> None:
        start, place = self.at, {}
        self.at += 1
        if self._word() == "the":
            self.at += 1
        while (word := self._word()) in ("left", "right", "top", "bottom", "centre"):
            axis = "column" if word in COLUMNS else "row"
            said = dict(column=1, row=1) if word == "centre" else {axis: 0}
            if word in ("right", "bottom"):
                said[axis] = 2
            if said.keys() & place.keys():
                raise self._lost("one place, such as 'at the top left'")
            place |= said
            self.at += 1
        if not place:
            raise self._lost("a place, such as 'at the top left'")
        place = dict(column=1, row=1) | place
        spoken = list(range(start, self.at))
        if self.objects and "row" not in self.objects[-1] and not self.related_next:
            self.objects[-1] |= place
            self.about |= dict.fromkeys(spoken, len(self.objects) - 1)
        elif not self.placed_next:
            self.placed_next = (place, spoken)
        else:
            raise self._lost("an object, such as 'a red circle'")

    def _relation(self, ahead: list[str]) -> None:
        name = " ".join(ahead[:2]) if ahead[1:2] == ["of"] else ahead[0]
        if name not in RELATIONS or not self.objects or self.related_next:
            raise self._lost(
                "'left of', 'right of', 'above' or 'below' after an object"
            )
        width = len(name.split())
        spoken = list(range(self.at, self.at + width))
        self.related_next = (RELATIONS.index(name), spoken)
        self.at += width

    def _object(self) -> None:
        found, start = {}, self.at
        if self._word() in ("a", "an", "the"):
            self.at += 1
        while self._word() in _KIND and "shape" not in found:
            attribute, value = _KIND[self._word()]
            if attribute in found:
                raise self._lost(f"one {attribute}, or the next object after its shape")
            found[attribute] = value
            self.at += 1
        if "shape" not in found:
            raise self._lost(f"a shape ({', '.join(SHAPES)})")
        if len(self.objects) == MOST:
            raise self._lost(f"the end: at most {MOST} objects fit")
        k = len(self.objects)
        self.about |= dict.fromkeys(range(start, self.at), k)
        if self.placed_next:
            place, spoken = self.placed_next
            found |= place
            self.about |= dict.fromkeys(spoken, k)
            self.placed_next = None
        if self.related_next:
            self.relations.append((k - 1, self.related_next[0], k))
            self.related_next = None
        self.objects.append(found)

    def _word(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def _lost(self, expected: str) -> CaptionError:
        place = (
            f"at word {self.at + 1}, {self._word()!r}" if self._word() else "at its end"
        )
        return CaptionError(
            f"caption={self.caption!r} cannot be read {place}: expected {expected}; "
            f"write for instance {EXAMPLE!r}"
        )
