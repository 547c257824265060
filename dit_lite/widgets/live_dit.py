"""A Diffusion Transformer that runs in the page itself: the reader makes pictures,
changes course midway, and sees its attention.
"""

from collections.abc import Mapping

from .arrays import check_number, check_text, check_whole
from .browser_model import LIMIT, SIZES, check_config, pack_weights
from .explorer import explorer

ROW = 44  # pixels: a row of buttons


def live_dit_explorer(
    config: Mapping, weights: Mapping, *, y: int = 0, guidance: float = 2.0,
    steps: int = 25, seed: int = 0, layer: int = 0, head: int = 0,
    patch: int | None = None,
):  # fmt: skip
    """Denoise in the browser with a DiT of adaLN-Zero blocks, flow objective and linear
    path, by guided Euler steps.

    `to_browser(model)` of dit_lite.model gives both arguments: config has the sizes of
    the model, its class_names, data_mean and data_std; weights {name in PyTorch:
    float16 array}, at most 4.7 MB. Shown first: class `y` (num_classes: no class),
    `guidance` from 0 to 4, `steps` from 4 to 50, `seed` of the page's own noise from 0
    to 99, and the attention of one `layer`, `head` and `patch`, by default one in the
    middle. Raises ValueError or TypeError, naming the argument, before anything is
    drawn.
    """
    config = _config(config)
    none, grid = config["num_classes"], config["image_size"] // config["patch_size"]
    middle = grid // 2 * (grid + 1)
    table = {"label.weight": (none + 1, config["width"])}
    steps = check_whole("steps", steps, 4, 50)
    return explorer(
        "live_dit",
        label="Explorer: a Diffusion Transformer that runs in this page",
        height=_height(config),
        limit=LIMIT,
        config=config,
        weights=pack_weights(weights, config, table, {}),
        y=check_whole("y", y, 0, none),
        guidance=check_number("guidance", guidance, 0, 4),
        steps=steps,
        step=steps,
        seed=check_whole("seed", seed, 0, 99),
        layer=check_whole("layer", layer, 0, config["depth"] - 1),
        head=check_whole("head", head, 0, config["heads"] - 1),
        patch=middle
        if patch is None
        else check_whole("patch", patch, 0, grid * grid - 1),
    )


def _height(config: dict) -> tuple[str, str]:
    """Room for the controls, the pictures and the overview, on a page and on a phone;
    the buttons of many classes or layers wrap.
    """

    def rows(width: float) -> int:
        """Rows of class buttons, `width` pixels wide."""
        count, left = 1, width
        for name in [*config["class_names"], "none"]:
            need = 20 + 7.8 * len(name)
            if need > left:
                count, left = count + 1, width
            left -= need
        return count

    wide = rows(626) + -(-config["depth"] // 4)
    phone = rows(266) + -(-config["depth"] // 2)
    return f"{426 + ROW * wide}px + 31cqi", f"{749 + ROW * phone}px + 97cqi"


def _config(config: Mapping) -> dict:
    checked = check_config(config, (*SIZES, "num_classes"), ("class_names",))
    names = [
        check_text(f"config['class_names'][{i}]", name, inline=False)
        for i, name in enumerate(config["class_names"])
    ]
    if len(names) != checked["num_classes"]:
        raise ValueError(
            f"config['class_names'] has {len(names)} names; expected "
            f"{checked['num_classes']}, one per class"
        )
    return checked | {"class_names": names}
