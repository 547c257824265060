import subprocess
import sys

import dit_lite

OPTIONAL = (
    "PIL",
    "pyarrow",
    "torchvision",
    "matplotlib",
    "scipy",
    "sklearn",
    "diffusers",
    "tensorboard",
    "ipywidgets",
    "anywidget",
    "yaml",
    "pandas",
    "torch_fidelity",
)


def test_the_public_names_are_there():
    promised = {"DiTConfig", "TrainConfig", "preset", "DiT", "record_attention", "load_official", "sample", "train", "load"}
    assert promised <= set(dit_lite.__all__)
    assert all(hasattr(dit_lite, name) for name in dit_lite.__all__)


def test_import_needs_only_the_core_dependencies():
    blocked = (
        f"import sys; sys.modules.update(dict.fromkeys({OPTIONAL!r})); import dit_lite, dit_lite.evaluation; dit_lite.DiT(dit_lite.preset('digits'))"
    )
    subprocess.run([sys.executable, "-c", blocked], check=True)
