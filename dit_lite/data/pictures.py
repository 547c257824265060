"""One picture file as RGB bytes: scaled, rotated and composed on white, or refused by
name; nothing is lost silently.
"""

import io
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from .dataset import DataError

#: The formats that may be opened, by Pillow's names. Of the others that it would try,
#: EPS starts another program.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
#: Change it with anything below that changes a pixel: it is part of the cache's keys.
DECODER = 2
#: More pixels than any camera takes: a small file that unpacks into gigabytes.
MOST_PIXELS = 180_000_000
BACKGROUND = (255, 255, 255)
#: Modes with an alpha channel; other modes can name one colour as transparent.
ALPHA = ("RGBA", "RGBa", "LA", "La", "PA")
SIXTEEN = ("I;16", "I;16L", "I;16B", "I;16N")
ANIMATED = "animated or with several pages, of which the first was taken"


def decode(
    encoded: bytes | Path, size: int | None, where: str, remarks: Counter | None = None
) -> np.ndarray:
    """A picture file as (3, size, size) uint8: the largest centred square, resized
    when `size` differs.

    It is rotated as its EXIF orientation says; 16 bits of grey are scaled to 8;
    transparent pixels are composed on white; of several frames the first is taken,
    and counted in `remarks`. Raises DataError naming `where` for a file of another
    kind, one that is damaged, one of more than MOST_PIXELS, and values whose white is
    not defined.
    """
    from PIL import Image, UnidentifiedImageError

    if encoded is None:
        raise DataError(f"{where} holds no picture; remove it, or put the picture in")
    source = io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded
    try:
        # what Pillow warns of in metadata changes no pixel
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(source, formats=FORMATS) as picture,
        ):
            if picture.width * picture.height > MOST_PIXELS:
                raise Image.DecompressionBombError
            if remarks is not None and _is_animated(picture):
                remarks[ANIMATED] += 1
            rgb = _rgb(_upright(picture), picture.format, where)
            return np.asarray(_square(rgb, size)).transpose(2, 0, 1)
    except DataError:
        raise
    except UnidentifiedImageError:  # its own message names an object in memory
        reason = f"it is not one of {', '.join(FORMATS)}, or it is damaged"
    except Image.DecompressionBombError:
        reason = f"it unpacks into more than {MOST_PIXELS:,} pixels"
    except Exception as error:  # decoders raise errors of any kind
        reason = " ".join(str(error).split()) or type(error).__name__
    raise DataError(
        f"{where} cannot be read as a picture ({reason}); remove or replace it"
    )


def _is_animated(picture) -> bool:
    """Whether there is more than one frame; the second picture of a phone's MPO is a
    preview or a depth map, not a frame.
    """
    return picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1


def _upright(picture):
    """The picture as its camera was held; unrotated if its EXIF data are damaged."""
    from PIL import ImageOps

    picture.load()
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # metadata of any quality
        return picture


def _rgb(picture, kind: str, where: str):
    """A picture of a file of some kind in mode RGB, whatever its mode is."""
    from PIL import Image

    # Pillow reads 16 bits into 32 for PGM, and did for PNG
    if picture.mode in SIXTEEN or (picture.mode == "I" and kind in ("PNG", "PPM")):
        return Image.fromarray(_eight_bits(picture)).convert("RGB")
    if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
        values = "floats" if picture.mode == "F" else "whole numbers of 32 bits"
        raise DataError(
            f"{where} cannot be read as a picture (its pixels are {values}, whose "
            "white is not defined); write it with 8 or 16 bits"
        )
    if picture.mode in ALPHA or "transparency" in picture.info:
        picture = _with_alpha(picture)
        paper = Image.new("RGBA", picture.size, BACKGROUND)
        return Image.alpha_composite(paper, picture).convert("RGB")
    return picture.convert("RGB")


def _with_alpha(picture):
    # Pillow has no direct way from grey with premultiplied alpha
    return (picture.convert("LA") if picture.mode == "La" else picture).convert("RGBA")


def _eight_bits(picture) -> np.ndarray:
    """Grey of 16 bits (H, W) as bytes: 0 stays 0, 65535 becomes 255."""
    grey = np.asarray(picture).astype(np.int64)
    if isinstance(clear := picture.info.get("transparency"), int):
        grey[grey == clear] = 65535  # composed on white
    return ((grey.clip(0, 65535) + 128) // 257).astype(np.uint8)


def _square(picture, size: int | None):
    """The largest centred square, size x size."""
    from PIL import Image

    if size is None or picture.size == (size, size):
        return picture
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.resize(
        (size, size), Image.Resampling.LANCZOS, box=(left, top, left + side, top + side)
    )
