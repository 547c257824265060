"""One file with the results made here, to be unpacked at another checkout's root."""

import io
import subprocess
import tarfile
from pathlib import Path

from ..config import ConfigError, choose
from ..files.environment import resource
from ..files.writing import write
from .budget import RECORDED


def check_archive(file: Path, budget: str) -> None:
    """Raise ConfigError, before hours of work, for a file name or a budget for which no
    archive can be made.
    """
    choose("the budget of an archive", budget, RECORDED)
    if not file.name.endswith(".tar.gz"):
        raise ConfigError(f"archive={str(file)!r} must end in .tar.gz")
    if not file.absolute().parent.is_dir():
        raise ConfigError(
            f"archive={str(file)!r}: there is no directory "
            f"{file.absolute().parent}; make it first"
        )


def archive_results(file: Path, budget: str) -> list[str]:
    """Pack every result at `budget` that is not yet in git, finished parts included;
    returns their names, relative to the checkout.

    Without git every result at `budget` is packed. When there is none, no file is
    written.
    """
    check_archive(file, budget)
    root = resource("data").parent
    names = [
        path.relative_to(root).as_posix()
        for path in sorted(root.glob(f"data/results/*/{budget}.*"))
    ]
    if (new := _new_to_git(root)) is not None:
        names = [name for name in names if name in new]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in names:
            archive.add(root / name, name)
    if names:
        write(file, packed.getvalue())
    return names


def _new_to_git(root: Path) -> set[str] | None:
    """Result files that differ from the last commit or are not in it, or None without
    git.
    """
    if not (root / ".git").exists():
        return None

    def git(*words: str) -> set[str]:
        return set(
            subprocess.run(
                ["git", "-C", str(root), *words],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.splitlines()
        )

    try:
        return git("ls-files", "--others", "data/results") | git(
            "diff", "--name-only", "HEAD", "data/results"
        )
    except (OSError, subprocess.CalledProcessError):
        return None
