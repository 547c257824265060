"""The surroundings of this copy of the package: the files that ship with it (beside it
in a checkout, inside it when installed), the user's data, and whether a page is being
built.
"""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_CHECKOUT = _PACKAGE.parent


def resource(name: str) -> Path:
    """The path of the file or folder `name` ("data/checkpoints", "book/claims.yml") of
    this version, in a checkout or an installation.
    """
    place = _CHECKOUT / name
    return (
        place
        if place.exists() or (_CHECKOUT / "pyproject.toml").exists()
        else _PACKAGE / "_resources" / name
    )


def user_path(path: str | os.PathLike, field: str) -> Path:
    """A path as the user gave it, with `~` expanded. Raises TypeError for anything that
    is not a path, and ValueError when the home directory is unknown or no file system
    accepts the path: NUL, or a name of more than 255 bytes.
    """
    if not isinstance(path, (str, os.PathLike)) or not str(path):
        raise TypeError(f"{field}={path!r} must be the path of a file or a directory")
    try:
        found = Path(path).expanduser()
    except RuntimeError:
        raise ValueError(
            f"{field}={str(path)!r} is below a home directory that is not known; set "
            "HOME, or write the full path"
        ) from None
    if "\0" in str(found):
        raise ValueError(f"{field}={str(path)!r} contains a NUL; leave it out")
    if long := [part for part in found.parts if len(os.fsencode(part)) > 255]:
        raise ValueError(
            f"{field}={long[0][:40]!r}... is a name of {len(long[0])} characters; "
            "no file system accepts more than 255 bytes"
        )
    return found


def data_root() -> Path:
    """Where data sets are looked for and downloaded to: $DIT_LITE_DATA, else
    data/cache of a checkout, else ~/.cache/dit_lite.
    """
    if given := os.environ.get("DIT_LITE_DATA"):
        return user_path(given, "DIT_LITE_DATA")
    return (
        _CHECKOUT / "data" / "cache"
        if (_CHECKOUT / "pyproject.toml").exists()
        else user_path("~/.cache/dit_lite", "DIT_LITE_DATA (not set)")
    )


def page_is_built() -> bool:
    """Whether a static page is being built (DIT_LITE_STATIC=1), which has neither a
    kernel for widgets nor a use for progress bars.
    """
    return os.environ.get("DIT_LITE_STATIC", "0") not in ("", "0")
