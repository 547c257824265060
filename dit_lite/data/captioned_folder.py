"""Your own pictures with a caption for each: a folder with a file captions.csv."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np

from ..config.captions import encode, words_in
from .dataset import Captioned, DataError
from .listing import say
from .pictures import decode
from .store import store

CAPTIONS = "captions.csv"
COLUMNS = ("file", "caption")
SPLIT = "split"  # a column that may be there: train or test
SPLITS = ("train", "test")
LONGEST = 77  # words; as many tokens as CLIP's encoder takes


def captioned_folder(root: Path, size: int, split: str = "train") -> Captioned:
    """The pictures that captions.csv (columns file and caption, UTF-8) names, relative
    to the folder, cropped to their centred square and resized to size x size.

    With a column split, which says train or test in each line, `split` chooses among
    them; without it all are for training, and none is held out. The vocabulary is the
    words of all captions of either split in alphabetical order, after the padding; M is
    the length of the longest. Raises DataError for a table without these columns or
    rows, a split without pictures, pictures that are missing or lie outside, and a
    caption that is empty or longer than LONGEST words, naming the line.
    """
    table = root / CAPTIONS
    rows = _rows(table)
    chosen = _of_split(rows, split, table)
    files = [_inside(root, row["file"], table, line) for line, row in rows]
    if missing := [name for name in files if not name.is_file()]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(
            f"{table} lists pictures that are not there: {missing[0]}{more}; add them, "
            "or remove their lines"
        )
    for line, row in rows:
        if not (count := len(words_in(row["caption"]))):
            raise DataError(
                f"{table}, line {line}: the caption of {row['file']} is empty; write "
                "some words, or remove the line"
            )
        if count > LONGEST:
            raise DataError(
                f"{table}, line {line}: the caption of {row['file']} has {count} "
                f"words, but at most {LONGEST} fit; shorten it"
            )
    said = [row["caption"] for _, row in rows]
    words = ("", *sorted({word for one in said for word in words_in(one)}))
    length = max(len(words_in(one)) for one in said)
    files, said = [files[i] for i in chosen], [said[i] for i in chosen]
    captions = np.array([encode(one, words, length) for one in said], dtype=np.int64)
    remarks = Counter()
    pictures = (decode(name, size, str(name), remarks) for name in files)
    images = store(
        f"captioned-{root.name}-{size}", files, pictures, (len(files), 3, size, size)
    )
    say(root, remarks, "read in part")
    return Captioned(root.name, images, captions, (), words=words)


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """The rows of a table and their line numbers."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or []
            if lacking := [name for name in COLUMNS if name not in names]:
                raise DataError(
                    f"{table} has no column {lacking[0]!r} (it has {names}); its first "
                    "line must be: file,caption"
                )
            wanted = [*COLUMNS, *([SPLIT] if SPLIT in names else [])]
            rows = [
                (reader.line_num, {name: row[name] or "" for name in wanted})
                for row in reader
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{table} cannot be read as a table ({error}); save it as CSV in UTF-8"
        ) from None
    if not rows:
        raise DataError(f"{table} has no lines below its first; add file,caption")
    return rows


def _of_split(
    rows: list[tuple[int, dict[str, str]]], split: str, table: Path
) -> list[int]:
    """Which rows belong to a split."""
    for line, row in rows:
        if SPLIT in row and row[SPLIT] not in SPLITS:
            raise DataError(
                f"{table}, line {line}: {SPLIT}={row[SPLIT]!r} is neither train nor "
                "test; write one of them, or remove the whole column"
            )
    chosen = [i for i, (_, row) in enumerate(rows) if row.get(SPLIT, "train") == split]
    if not chosen:
        raise DataError(
            f"{table} has no pictures for split={split!r}; give it the first line "
            f"file,caption,{SPLIT}, and {split} in some of the lines below"
        )
    return chosen


def _inside(root: Path, name: str, table: Path, line: int) -> Path:
    """The path of a picture, which must not lead out of the folder."""
    place = root.absolute() / name
    if not name or not place.resolve().is_relative_to(root.resolve()):
        raise DataError(
            f"{table}, line {line}: file={name!r} is not a picture inside {root}; give "
            "its path relative to that folder"
        )
    return place
