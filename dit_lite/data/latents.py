"""Latents instead of pictures: a folder of safetensors files, each with the latents of
some pictures, their classes, and notes that say what made them.

Every file holds `latents` (n, c, h, w) in half precision, in the autoencoder's own
units, and `labels` (n,); its notes hold `about`, the fields of `About` as JSON, which
are the same in all files of a folder. The files are mapped into memory and not read
into it: the latents of ImageNet at 256 pixels are 10 GB.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..autoencoder import Autoencoder
from ..files.environment import page_is_built, user_path
from ..files.tensors import read_tensors, write_tensors
from ..files.writing import CheckpointError
from .dataset import DataError, Dataset, check_labels_of
from .on_demand import OnDemand

#: The names of the files, which tell such a folder from one of pictures.
FILES = "latents-*.safetensors"
A_FILE = 4096  # latents per file: 34 MB for pictures of 256 pixels


@dataclass(frozen=True)
class About:
    """What the files of a folder agree on: which autoencoder made them, the `scale`
    and `shift` with which a model sees them, (z - shift) scale, and the classes.
    """

    autoencoder: str
    scale: float
    shift: float
    class_names: tuple[str, ...]

    def __post_init__(self):
        object.__setattr__(self, "class_names", tuple(map(str, self.class_names)))
        if not (self.scale > 0 and abs(self.shift) < float("inf")):
            raise ValueError(f"scale={self.scale} and shift={self.shift}")


@dataclass(frozen=True)
class Latents(Dataset):
    """Latents (n, c, h, w) float16, on demand, with labels (n,) int64. A model sees
    them shifted and scaled through its data_mean and data_std. They are never mirrored:
    a mirrored picture has another latent.
    """

    about: About | None = None

    def __post_init__(self):
        """Nothing to check: the floats were checked when they were read."""

    @property
    def shape(self) -> dict:
        """The fields of a DiTConfig that the data decide."""
        return super().shape | dict(
            autoencoder=self.about.autoencoder,
            data_mean=self.about.shift,
            data_std=1 / self.about.scale,
        )

    def in_floats(self, stored: Tensor) -> Tensor:
        """Latents as floats, in the autoencoder's own units."""
        return stored.float()


def holds_latents(directory: str | Path) -> bool:
    """Whether a folder holds latents rather than pictures."""
    return any(user_path(directory, "data").glob(FILES))


def latents(directory: str | Path) -> Latents:
    """The latents that `encode` wrote into a folder.

    Raises DataError for a file that is damaged or of another kind, files that do not
    belong together, and labels that are not classes, naming the file.
    """
    root = user_path(directory, "data").resolve()
    files = sorted(root.glob(FILES))
    parts, labels, abouts = zip(*map(_read, files), strict=True)
    for file, part, about in zip(files, parts, abouts, strict=True):
        if about != abouts[0] or part.shape[1:] != parts[0].shape[1:]:
            raise DataError(
                f"{file} and {files[0].name} hold different latents "
                f"({about.autoencoder} {part.shape[1:]}, {abouts[0].autoencoder} "
                f"{parts[0].shape[1:]}, {len(about.class_names)} and "
                f"{len(abouts[0].class_names)} classes); keep them in folders of "
                "their own"
            )
    ends = np.cumsum([len(part) for part in parts])

    def rows(index: np.ndarray) -> np.ndarray:
        found = np.empty((len(index), *parts[0].shape[1:]), np.float16)
        of = np.searchsorted(ends, index, side="right")
        for k in np.unique(of):
            here = of == k
            found[here] = parts[k][index[here] - ends[k] + len(parts[k])]
        return found

    shape = (int(ends[-1]), *parts[0].shape[1:])
    images = OnDemand(rows, shape, np.dtype(np.float16))
    return Latents(
        root.name, images, np.concatenate(labels), abouts[0].class_names,
        about=abouts[0],
    )  # fmt: skip


def _read(file: Path) -> tuple[np.ndarray, np.ndarray, About]:
    try:
        tensors, notes = read_tensors(file, signed=True)
        z, y = tensors["latents"].numpy(), tensors["labels"].numpy()
        about = About(**json.loads(notes["about"]))
    except (CheckpointError, KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"{file} cannot be read as latents ({error}); write the folder again with "
            "`data encode`"
        ) from None
    if z.ndim != 4 or z.dtype != np.float16 or z.shape[2] != z.shape[3] or not len(z):
        raise DataError(
            f"{file} holds latents {z.dtype} of shape {z.shape}; expected half "
            "precision (n, c, h, h), at least one: write the folder again with `data "
            "encode`"
        )
    y, classes = check_labels_of(str(file), y), len(about.class_names)
    if len(y) != len(z) or (y >= classes).any():
        raise DataError(
            f"{file} has {len(y)} labels up to {y.max()} for {len(z)} latents of "
            f"{classes} classes; write the folder again with `data encode`"
        )
    return z, y, about


def encode(
    data: Dataset,
    autoencoder: Autoencoder,
    out: str | Path,
    batch_size: int = 16,
    a_file: int = A_FILE,
) -> Latents:
    """Write the latents of all images of `data` into the new folder `out`, `a_file` of
    them per file, and return them.

    Raises DataError for captions, an `out` that holds latents already, images that the
    autoencoder cannot take, and latents that are not finite in half precision.
    """
    out = user_path(out, "out")
    if not data.class_names:
        raise DataError(
            f"{data.name} has captions, but a folder of latents stores classes; give a "
            "folder of class folders"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(
            f"out={str(out)!r} is not empty; choose another folder, or remove it"
        )
    about = About(
        autoencoder.name, autoencoder.scale, autoencoder.shift, data.class_names
    )
    if data.shape["channels"] != autoencoder.channels:
        raise DataError(
            f"{data.name} has images of {data.shape['channels']} channels, but the "
            f"autoencoder {autoencoder.name!r} takes {autoencoder.channels}; choose "
            "another autoencoder"
        )
    notes = {"about": json.dumps(asdict(about))}
    starts = range(0, len(data), batch_size)
    with tqdm(
        total=len(data), desc=f"encoding {data.name}", unit="image",
        disable=page_is_built(),
    ) as bar:  # fmt: skip
        done: list[Tensor] = []
        for start in starts:
            images = data.floats(slice(start, start + batch_size))
            done.append(_encoded(autoencoder, images, data.name, start))
            bar.update(len(images))
            end, held = start + len(images), sum(map(len, done))
            while held >= a_file or (end == len(data) and held):
                whole = torch.cat(done)
                part, done = whole[:a_file], [whole[a_file:]]
                first = end - held
                held -= len(part)
                labels = torch.tensor(data.labels[first : first + len(part)])
                file = out / FILES.replace("*", f"{first // a_file:05}")
                write_tensors(file, {"latents": part, "labels": labels}, notes)
    return latents(out)


def _encoded(autoencoder: Autoencoder, images: Tensor, name: str, start: int) -> Tensor:
    """Latents in half precision, on the CPU."""
    try:
        found = autoencoder.encode(images).to("cpu", torch.float16)
    except RuntimeError as error:
        raise DataError(
            f"the autoencoder {autoencoder.name!r} cannot take images of "
            f"{images.shape[-1]} pixels ({str(error).splitlines()[0]}); choose "
            "another --image-size"
        ) from None
    if not found.isfinite().all():
        raise DataError(
            f"the latents of images {start} to {start + len(images) - 1} of {name} are "
            f"not finite in half precision; is {autoencoder.name!r} trained?"
        )
    return found
