"""The scaling-law explorer: fit a law to recorded runs in the page, and let it predict
the size that was held out.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from .arrays import check_number, check_option, check_text
from .explorer import explorer

#: What Psi counts, and the field of a row that holds it.
COUNTS = {
    "all parameters": "parameters",
    "no embeddings": "without_embeddings",
    "nor adaLN": "without_adaln",
    "multiply-adds": "macs",
}
DRAWS = 200  # refits to resampled losses, from which the intervals are read


def scaling_law_explorer(
    rows: Sequence[Mapping], held: int, *, patch: int | None = None,
    count: str = "all parameters", method: str = "all", floor: bool = True,
    fit_from: int | None = None, counts: Mapping[str, str] = COUNTS,
):  # fmt: skip
    """Drag the range of a fit, choose what Psi counts and whether there is a floor; see
    the interval move; predict the runs of width `held`, then reveal them.

    rows: one per loss, with patch_size, width, seed, images, loss and the fields that
    `counts` {name: field} names; every run has the same numbers of images. `method` is
    "all" (Psi and n) or "ends" (Psi alone, at the last number of images), `fit_from`
    the fewest images of a point that is fitted at first. The page fits in the same way
    as `dit_lite.fit_scaling_law`. Raises ValueError or TypeError, naming the argument,
    before anything is drawn.
    """
    counts = {
        check_text("the name of a count", name, inline=False): field
        for name, field in counts.items()
    }
    runs, images = curves(rows, list(counts.values()))
    patches = sorted({run["patch"] for run in runs})
    patch = patches[len(patches) // 2] if patch is None else patch
    check_option("patch", patch, patches)
    check_option("count", count, counts)
    check_option("method", method, ["all", "ends"])
    if not isinstance(floor, bool):
        raise TypeError(f"floor={floor!r} must be True or False")
    for one in patches:
        widths = {run["width"] for run in runs if run["patch"] == one}
        if held not in widths or len(widths) < 4:
            raise ValueError(
                f"rows of patch_size={one} have the widths {sorted(widths)}; expected "
                f"held={held} and at least three others"
            )
    first = images[0] if fit_from is None else fit_from
    start = next((i for i, n in enumerate(images) if n >= first), len(images))
    if start > len(images) - 2:
        raise ValueError(
            f"fit_from={fit_from!r} leaves fewer than two numbers of images of {images}"
        )
    others = sorted({run["width"] for run in runs} - {held})
    return explorer(
        "scaling_law", label="Explorer: a scaling law and the run that it predicts",
        height=("740px", "1290px"),
        runs=runs, images=images, counts=list(counts), held=int(held),
        patch=int(patch), count=list(counts).index(count), method=method, floor=floor,
        **{"from": start}, low=0, high=len(others) - 1, revealed=False,
        **luck(len(runs)),
    )  # fmt: skip


def luck(runs: int, draws: int = DRAWS, seed: int = 0) -> dict[str, np.ndarray]:
    """The random numbers of the refits: signs (draws, runs), running sums of squared
    normal numbers (draws, runs), and places (draws,) in [0, 1).
    """
    rng = np.random.default_rng(seed)
    return {
        "signs": rng.integers(0, 2, (draws, runs), np.uint8),
        "squares": (rng.standard_normal((draws, runs)) ** 2)
        .cumsum(1)
        .astype(np.float32),
        "picks": rng.random(draws, np.float32).clip(max=1 - 1e-6),
    }


def curves(
    rows: Sequence[Mapping], fields: Sequence[str]
) -> tuple[list[dict], list[int]]:
    """Rows as runs {patch, width, seed, sizes, losses}, and the numbers of images at
    which all of them were measured. Raises ValueError or TypeError for rows that lack a
    field, occur twice, or were measured at other numbers of images.
    """
    if isinstance(rows, Mapping) or not isinstance(rows, Sequence) or not len(rows):
        raise ValueError("rows is empty or no list; expected one dict per loss")
    found: dict[tuple, dict[int, Mapping]] = {}
    for i, row in enumerate(rows):
        for name in ("patch_size", "width", "seed", "images", "loss", *fields):
            if name not in row:
                raise ValueError(
                    f"rows[{i}] has no {name}; it has {', '.join(map(str, row))}"
                )
        losses = found.setdefault((row["patch_size"], row["width"], row["seed"]), {})
        if row["images"] in losses:
            raise ValueError(
                f"rows[{i}] is a duplicate: patch_size={row['patch_size']}, "
                f"width={row['width']}, seed={row['seed']}, images={row['images']}"
            )
        losses[row["images"]] = row
    images = sorted(next(iter(found.values())))
    runs = []
    for (patch, width, seed), losses in sorted(found.items()):
        where = f"the run patch_size={patch}, width={width}, seed={seed}"
        if sorted(losses) != images:
            raise ValueError(
                f"{where} was measured at {sorted(losses)}; expected {images}"
            )
        first = losses[images[0]]
        runs.append(
            {
                "patch": int(patch), "width": int(width), "seed": int(seed),
                "sizes": [
                    check_number(f"{name} of {where}", first[name], 1)
                    for name in fields
                ],
                "losses": [
                    check_number(f"the loss of {where}", losses[n]["loss"], 1e-12)
                    for n in images
                ],
            }
        )  # fmt: skip
    return runs, [int(n) for n in images]
