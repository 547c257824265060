"""The solutions of the exercises: run by every build, and shown collapsed. One file per
chapter; every chapterNN.py here is found automatically.
"""

import importlib
import pkgutil

from .solution import SOLUTIONS, solution

for module in pkgutil.iter_modules(__path__):
    if module.name.startswith("chapter"):
        importlib.import_module(f".{module.name}", __name__)

__all__ = ["SOLUTIONS", "solution"]
