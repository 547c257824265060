"""The lowest versions that pyproject.toml admits, as constraints for pip."""

import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def lowest() -> dict[str, str]:
    """{package: version} of all dependencies and extras. Raises ValueError for one
    without a lower bound.
    """
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    extras = project["optional-dependencies"].values()
    found = {}
    for requirement in project["dependencies"] + [
        one for some in extras for one in some
    ]:
        if requirement.startswith(project["name"]):  # one extra that names others
            continue
        bound = re.match(r"([\w.-]+)>=([\d.]+)(?:,<[\d.]+)?$", requirement)
        if not bound:
            raise ValueError(f"{requirement!r} in {PYPROJECT} has no lower bound")
        found[bound[1]] = bound[2]
    return found


if __name__ == "__main__":
    for package, version in lowest().items():
        print(f"{package}=={version}")
