"""A Diffusion Transformer of captions that runs in the page itself: the reader writes a
caption, sees which patch looks at which word, and takes words away or swaps them.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import numpy as np

from .arrays import as_array, check_number, check_shape, check_text, check_whole
from .browser_model import LIMIT, SIZES, SOURCE, check_config, pack_weights
from .explorer import explorer

MOST_EXAMPLES = 12
ROOM = 300_000  # bytes of examples beside the weights
#: Room for the controls, the words and the pictures, on a page and on a phone.
HEIGHT = ("780px + 46cqi", "1820px")


def words_explorer(
    config: Mapping,
    weights: Mapping,
    *,
    caption: str,
    word: str | None = None,
    guidance: float = 3.0,
    steps: int = 25,
    seed: int = 0,
    layer: int | None = None,
    head: int | None = None,
    patch: int | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    examples: Sequence[Mapping] = (),
):
    """Draw a caption in the browser with a DiT of adaLN-Zero blocks with
    cross-attention, flow objective and linear path, by guided Euler steps; take words
    away, make them stronger, swap them, and see the map of each over the picture.

    `to_browser(model)` of dit_lite.model gives `config`, with its words, and `weights`
    {name in PyTorch: float16 array}, at most 4.7 MB. Shown first: `caption`, the map of
    one `word` of it (its last), `guidance` from 0 to 8, `steps` from 4 to 50, `seed` of
    the page's own noise from 0 to 99, one `layer` and `head` (their mean), and one
    `patch` (in the middle). `groups` {kind: words} groups the words that can be chosen.
    `examples` are captions of the data, at most 12, each a dict of `caption`, `image`
    (C, H, W) uint8, `masks` (k, H, W) bool, and `about`, for each word the index of its
    mask, or -1. Raises ValueError or TypeError, naming the argument, before anything is
    drawn.
    """
    config = _config(config)
    D, M, grid = (
        config["width"],
        config["caption_length"],
        config["image_size"] // config["patch_size"],
    )
    condition = {
        "caption.word.weight": (len(config["words"]), D),
        "caption.place": (M, D),
    }
    branch = {
        "cross.query": (D, D),
        "cross.key_value": (2 * D, D),
        "cross.out": (D, D),
        "norm_cross": (D,),
    }
    ids = _ids("caption", caption, config)
    steps = check_whole("steps", steps, 4, 50)
    return explorer(
        "words",
        label="Explorer: captions that a Diffusion Transformer draws in this page",
        height=HEIGHT,
        limit=LIMIT + ROOM,
        config=config,
        weights=pack_weights(weights, config, condition, branch),
        caption=ids,
        away=[False] * M,
        factors=[1.0] * M,
        word=_chosen(word, ids, config),
        guidance=check_number("guidance", guidance, 0, 8),
        steps=steps,
        step=steps,
        seed=check_whole("seed", seed, 0, 99),
        layer=_one("layer", layer, config["depth"]),
        head=_one("head", head, config["heads"]),
        patch=grid // 2 * (grid + 1)
        if patch is None
        else check_whole("patch", patch, 0, grid * grid - 1),
        held=0,
        groups=_groups(groups, config),
        examples=_examples(examples, config),
        example=-1,
        real=False,
    )


def _one(name: str, value: int | None, length: int) -> int:
    """A layer or a head, -1 for the mean of all."""
    return -1 if value is None else check_whole(name, value, 0, length - 1)


def _config(config: Mapping) -> dict:
    others = ("condition", "words")
    checked = check_config(config, (*SIZES, "caption_length"), others)
    if config["condition"] != "caption":
        raise ValueError(
            f"config['condition']={config['condition']!r}; expected 'caption': show a "
            "model of labels with live_dit_explorer"
        )
    words = [
        check_text(f"config['words'][{i}]", word, inline=False, empty=i == 0)
        for i, word in enumerate(config["words"])
    ]
    if len(words) < 2 or words[0]:
        raise ValueError(
            f"config['words'] has {len(words)} entries and starts with "
            f"{words[:1]}; expected '' for padding, then the words, {SOURCE}"
        )
    return checked | {"condition": "caption", "words": words}


def _ids(name: str, caption: str, config: dict) -> list[int]:
    """The words of a caption as ids, padded with 0."""
    words, M = config["words"], config["caption_length"]
    said = check_text(name, caption, inline=False).lower().split()
    for word in said:
        if word not in words:
            near = get_close_matches(word, words[1:], n=1, cutoff=0)[0]
            raise ValueError(
                f"{name}={caption!r} has the unknown word {word!r}; did you mean "
                f"{near!r}?"
            )
    if len(said) > M:
        raise ValueError(f"{name}={caption!r} has {len(said)} words, at most {M} fit")
    return [words.index(word) for word in said] + [0] * (M - len(said))


def _chosen(word: str | None, ids: list[int], config: dict) -> int:
    """A word's position in the caption."""
    said = [config["words"][i] for i in ids if i]
    if word is None:
        return len(said) - 1
    if word not in said:
        raise ValueError(f"word={word!r} is not in the caption; choose one of {said}")
    return said.index(word)


def _groups(groups: Mapping | None, config: dict) -> dict[str, list[str]]:
    if groups is None:
        return {"words": config["words"][1:]}
    if not isinstance(groups, Mapping) or not groups:
        raise TypeError(f"groups={groups!r}; expected a dict {{kind: [words]}}")
    checked = {}
    for kind, words in groups.items():
        check_text(f"groups[{kind!r}]", kind, inline=False)
        checked[kind] = list(words)
        for word in checked[kind]:
            if word not in config["words"][1:]:
                raise ValueError(
                    f"groups[{kind!r}] has {word!r}, which is not a word of this model"
                )
    return checked


def _examples(examples: Sequence[Mapping], config: dict) -> list[dict]:
    if len(examples) > MOST_EXAMPLES:
        raise ValueError(
            f"there are {len(examples)} examples; at most {MOST_EXAMPLES} fit"
        )
    return [_example(f"examples[{i}]", one, config) for i, one in enumerate(examples)]


def _example(name: str, example: Mapping, config: dict) -> dict:
    for key in ("caption", "image", "masks", "about"):
        if not isinstance(example, Mapping) or key not in example:
            raise ValueError(f"{name} has no {key!r}; expected caption, image, masks "
                             "and about")  # fmt: skip
    C, S, M = config["channels"], config["image_size"], config["caption_length"]
    image = as_array(f"{name}['image']", example["image"])
    check_shape(f"{name}['image']", image, (C, S, S), "channels, height and width")
    masks = as_array(f"{name}['masks']", example["masks"])
    check_shape(f"{name}['masks']", masks, (len(masks), S, S), "one for each object")
    for key, array, dtype in (("image", image, np.uint8), ("masks", masks, np.bool_)):
        if array.dtype != dtype:
            raise TypeError(
                f"{name}[{key!r}] has dtype {array.dtype}; expected {dtype.__name__}"
            )
    about = [
        check_whole(f"{name}['about'][{i}]", k, -1, len(masks) - 1)
        for i, k in enumerate(example["about"])
    ]
    if len(about) > M:
        raise ValueError(f"{name}['about'] has {len(about)} entries, at most {M} fit")
    return {
        "caption": _ids(f"{name}['caption']", example["caption"], config),
        "image": np.ascontiguousarray(image),
        "masks": masks.astype(np.uint8),
        "about": about + [-1] * (M - len(about)),
    }
