"""Images as one picture file, one row per class; or an animation of their trajectory
from noise.
"""

import io
from pathlib import Path

from ..config.fields import did_you_mean

#: Suffix -> Pillow's format, its options, and its largest side in pixels.
FORMATS = {
    ".png": ("PNG", {}, 1_000_000),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}, 65_500),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}, 65_500),
    ".webp": ("WEBP", {"lossless": True}, 16_383),
    ".bmp": ("BMP", {}, 65_500),
    ".tif": ("TIFF", {"compression": "tiff_deflate"}, 65_500),
    ".tiff": ("TIFF", {"compression": "tiff_deflate"}, 65_500),
    ".gif": ("GIF", {}, 65_500),
}
#: The suffix of an animation; the duration of a frame, and of the last one, in ms.
MOVES, FRAME_TIME, LAST_TIME = ".gif", 120, 2500
#: A larger grid is too large to look at, and would fill the memory.
MOST_PIXELS = 200_000_000
FRAME, SHOWN = 1, 64  # pixels around an image; small images are enlarged to about this


def check_grid(
    path: Path, image_size: int, channels: int, rows: int, columns: int
) -> None:
    """Raise ValueError unless `rows` x `columns` images can be written at `path`, so
    that it is known before an hour of sampling, not after it.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(
            f"out={str(path)!r} has no known picture suffix; end it with one "
            f"of: {', '.join(FORMATS)}{did_you_mean(suffix, FORMATS)}"
        )
    if path.is_dir():
        raise ValueError(f"out={str(path)!r} is a directory; name a file")
    if channels not in (1, 3):
        raise ValueError(
            f"images have {channels} channels; a picture takes 1 or 3; use "
            "dit_lite.sample, which returns the numbers"
        )
    side = (image_size + 2 * FRAME) * _zoom(image_size)
    width, height = columns * side, rows * side
    if max(width, height) > FORMATS[suffix][2] or width * height > MOST_PIXELS:
        raise ValueError(
            f"{rows:,} x {columns:,} images would be a picture of {width:,} x "
            f"{height:,} pixels, too large for {suffix}; ask for fewer at a time"
        )


def write_grid(images, columns: int, path: Path) -> None:
    """Write images (n, C, H, W) in [-1,1] as one picture with `columns` images per row,
    in the format of its suffix; small images are enlarged without smoothing. Raises
    ValueError for what `check_grid` refuses, and, before anything is written,
    DivergedError for images that contain NaN or infinity.
    """
    from ..training import DivergedError

    check_grid(path, images.shape[-1], images.shape[1], len(images) // columns, columns)
    if lost := int((~images.isfinite().flatten(1).all(1)).sum()):
        raise DivergedError(
            f"{lost} of {len(images)} images contain NaN or infinity, so {path} was "
            "not written: the model has diverged; use an earlier checkpoint"
        )
    kind, how, _ = FORMATS[path.suffix.lower()]
    _save(path, _picture(images, columns), format=kind, **how)


def write_walk(states, columns: int, path: Path) -> None:
    """Write the states (S+1, n, C, H, W) of a trajectory, in [-1,1], as an animation
    that runs from noise to the images and stays there. Raises as `write_grid`.
    """
    write_grid(states[-1], columns, path)
    first, *rest = (_picture(images.nan_to_num(), columns) for images in states)
    times = [FRAME_TIME] * len(rest) + [LAST_TIME]
    _save(
        path, first, format="GIF", save_all=True, append_images=rest, duration=times,
        loop=0,
    )  # fmt: skip


def _picture(images, columns: int):
    """Images (n, C, H, W) as a Pillow image, in a grid."""
    from einops import rearrange
    from torch.nn.functional import pad

    from ..data.pixels import to_bytes

    try:
        from PIL import Image
    except ImportError:
        raise FileNotFoundError(
            "writing a picture needs pillow: pip install pillow"
        ) from None
    pixels = pad(to_bytes(images.cpu()), (FRAME,) * 4, value=128)
    grid = rearrange(pixels, "(r c) k h w -> (r h) (c w) k", c=columns).squeeze(-1)
    zoom = _zoom(images.shape[-1])
    picture = Image.fromarray(grid.numpy())
    return picture.resize(
        (picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST
    )


def _save(path: Path, picture, **how) -> None:
    """Encode the whole picture first, so that a file is either complete or absent."""
    from ..files.writing import write

    encoded = io.BytesIO()
    picture.save(encoded, **how)
    write(path, encoded.getvalue())


def _zoom(image_size: int) -> int:
    return max(1, SHOWN // image_size)
