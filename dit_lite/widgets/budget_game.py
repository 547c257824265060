"""The budget game: which runs would you pay for, to predict one that you cannot?"""

from collections.abc import Mapping, Sequence

from .arrays import check_number
from .explorer import explorer
from .scaling_law import curves, luck


def budget_game(
    rows: Sequence[Mapping], held: int, *, budget: float | None = None,
    lengths: Sequence[int] | None = None, fit_from: int | None = None,
    size: str = "parameters",
):  # fmt: skip
    """Buy recorded runs with a compute budget, see only those, and predict the last
    loss of width `held`; the score is the prediction's error.

    rows: all of one patch_size, one per loss, with width, seed, images, loss,
    flops_per_image and `size`, which is Psi. `budget` is in FLOPs, by default half of
    what one run of every other width costs. `lengths` are the numbers of images that
    can be bought, `fit_from` the fewest images of a point that is fitted. Raises
    ValueError or TypeError, naming the argument, before anything is drawn.
    """
    runs, images = curves(rows, [size, "flops_per_image"])
    if len(patches := {run["patch"] for run in runs}) > 1:
        raise ValueError(
            f"rows have the patch sizes {sorted(patches)}; select one of them"
        )
    widths = sorted({run["width"] for run in runs})
    if held not in widths or len(widths) < 4:
        raise ValueError(
            f"rows have the widths {widths}; expected held={held} and at least three "
            "others"
        )
    first = images[0] if fit_from is None else fit_from
    usable = [n for n in images if n >= first]
    lengths = usable[1:] if lengths is None else sorted(lengths)
    if wrong := [n for n in lengths if n not in usable]:
        raise ValueError(
            f"lengths holds {wrong[0]!r}; choose from {', '.join(map(str, usable))}"
        )
    if not lengths:
        raise ValueError(
            f"fit_from={fit_from!r} leaves fewer than two numbers of images of {images}"
        )
    each = {run["width"]: run["sizes"][1] for run in runs}
    one_of_each = sum(each[width] * images[-1] for width in widths if width != held)
    budget = one_of_each / 2 if budget is None else check_number("budget", budget, 1)
    cheapest = each[widths[0]] * lengths[0]
    if budget < 2 * cheapest:
        raise ValueError(
            f"budget={budget:g} buys fewer than two runs; the cheapest costs "
            f"{cheapest:.3g} FLOPs"
        )
    return explorer(
        "budget_game", label="Game: predict a large run on a budget",
        height=(f"{240 + 44 * len(widths)}px", f"{640 + 44 * len(widths)}px"),
        runs=runs, images=images, held=int(held), budget=float(budget),
        lengths=[images.index(n) for n in lengths],
        bought=[], judged=False, scores=[], **{"from": len(images) - len(usable)},
        **luck(len(runs)),
    )  # fmt: skip
