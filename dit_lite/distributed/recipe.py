"""The batch script that comes with the package."""

from pathlib import Path


def slurm_script() -> str:
    """The text of train.slurm: DiT-XL/2 on four machines with eight GPUs each."""
    return Path(__file__).with_name("train.slurm").read_text(encoding="utf-8")
