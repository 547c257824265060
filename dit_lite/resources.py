"""Where the files that travel with the package are: in a checkout beside it, in an
installed copy inside it.
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent


def resource(name: str) -> Path:
    """The file or folder `name` ("data/checkpoints", "book/claims.yml") of this
    version, in a checkout or installed.
    """
    place = _CHECKOUT / name
    return (
        place
        if place.exists() or (_CHECKOUT / "pyproject.toml").exists()
        else _PACKAGE / "_resources" / name
    )


def data_root() -> Path:
    """Where data sets are looked for and downloaded to: $DIT_LITE_DATA, else
    data/cache of a checkout, else ~/.cache/dit_lite.
    """
    if given := os.environ.get("DIT_LITE_DATA"):
        return Path(given).expanduser()
    return (
        _CHECKOUT / "data" / "cache"
        if (_CHECKOUT / "pyproject.toml").exists()
        else Path.home() / ".cache" / "dit_lite"
    )


def page_is_built() -> bool:
    """Whether a static page is being built (DIT_LITE_STATIC=1), which has neither a
    kernel for widgets nor a use for progress bars.
    """
    return os.environ.get("DIT_LITE_STATIC", "0") not in ("", "0")
