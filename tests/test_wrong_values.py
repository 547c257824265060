"""Whatever is passed to a public function, it works or says what is wrong, never with a
Python or torch error from somewhere inside.
"""

import functools
import linecache
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

import dit_lite
from dit_lite import DiTConfig, TrainConfig, analysis, data, diffusion, evaluation
from dit_lite.config.fields import Number, OneOf, Whole
from dit_lite.data.store import writable_cache

WRONG = {
    "None": None,
    "True": True,
    "text": "nothing of the kind",
    "empty text": "",
    "long text": "x" * 300,
    "NUL": "a\0b",
    "bytes": b"x",
    "path": Path("/nowhere/at/all"),
    "negative": -1,
    "zero": 0,
    "huge": 10**30,
    "fraction": 1.5,
    "nan": float("nan"),
    "infinity": float("inf"),
    "complex": 1j,
    "empty list": [],
    "list of None": [None],
    "ragged": [[1], [1, 2]],
    "nested": [[[0]]],
    "dict": {"a": 1},
    "object": object(),
    "type": dict,
    "function": len,
    "numpy float": np.float32(0.5),
    "numpy array": np.array([0.5, 2.0]),
    "numpy texts": np.array(["a"]),
    "empty tensor": torch.zeros(0),
    "tensor": torch.tensor([[0.5, 2.0]]),
    "labels out of range": torch.tensor([99]),
    "meta tensor": torch.zeros(2, device="meta"),
    "complex tensor": torch.zeros(2, dtype=torch.complex64),
    "module": torch.nn.Linear(1, 1),
}


def tiny_model():
    return dit_lite.DiT(
        DiTConfig(width=8, depth=1, heads=2, num_classes=3, class_names=("a", "b", "c"))
    ).eval()


@functools.cache
def shipped():
    return dit_lite.load("digits")


@functools.cache
def seen():
    """Statistics of real digits: what takes long in a report."""
    return evaluation.training_reference("digits")


def official() -> dict:
    return {"x_embedder.proj.weight": torch.zeros(8, 1, 2, 2)}


IMAGES = torch.zeros(2, 1, 8, 8)
FEATURES = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
LABEL_TENSOR = torch.tensor([0, 1])
SIZES, COUNTS = (a.ravel() for a in np.meshgrid([1e5, 3e5, 1e6], [1e4, 3e4, 1e5]))
LOSSES = 0.1 + 5 * SIZES**-0.4 + 9 * COUNTS**-0.4
FAST = TrainConfig(
    data="digits", steps=1, batch_size=2, model=DiTConfig(width=8, heads=2, depth=1)
)
PIXELS, LABELS = np.zeros((2, 1, 8, 8), np.uint8), np.array([0, 1])
SOME = data.Dataset("some", PIXELS, LABELS, tuple("0123456789"), False)
#: function -> arguments that it takes; each is replaced in turn.
CALLS = {
    "DiTConfig": (DiTConfig, lambda: {f.name: f.default for f in fields(DiTConfig)}),
    "TrainConfig": (
        TrainConfig,
        lambda: {
            f.name: None if f.name != "changes" else {}
            for f in fields(TrainConfig)
        } | {f.name: f.default for f in fields(TrainConfig) if f.name != "changes"},
    ),
    "preset": (dit_lite.preset, lambda: dict(name="S/2", image_size=32)),
    "DiT": (dit_lite.DiT, lambda: dict(config=DiTConfig(width=8, heads=2, depth=1))),
    "flops": (dit_lite.flops, lambda: dict(config=DiTConfig())),
    "load": (dit_lite.load, lambda: dict(name_or_directory="digits")),
    "load_official": (
        dit_lite.load_official,
        lambda: dict(state_dict=official(), heads=2),
    ),
    "sample": (
        dit_lite.sample,
        lambda: dict(
            model=tiny_model(), labels=[0, 1], steps=1, guidance=1.5, sampler="euler",
            seed=0, interval=(0.0, 1.0), batch_size=2, init_images=None,
        ),
    ),
    "record_trajectory": (
        diffusion.record_trajectory,
        lambda: dict(
            model=tiny_model(), labels=[0, 1], steps=1, guidance=1.5, sampler="euler",
            seed=0, noise=None,
        ),
    ),
    "trajectory_grid": (
        diffusion.trajectory_grid,
        lambda: dict(
            model=tiny_model(), classes=[0], guidances=[1.0], steps=[1], seeds=[0],
            states=2, sampler="euler",
        ),
    ),
    "edit": (
        diffusion.edit,
        lambda: dict(
            model=tiny_model(), images=IMAGES, labels=[0, 1], strength=0.5, steps=1
        ),
    ),
    "inpaint": (
        diffusion.inpaint,
        lambda: dict(
            model=tiny_model(), images=IMAGES, known=IMAGES[0, 0] > 1, labels=[0, 1],
            strength=0.5, steps=1,
        ),
    ),
    "load_data": (
        data.load_data, lambda: dict(name="digits", split="train", image_size=8)
    ),
    "folder": (data.folder, lambda: dict(directory="/nowhere", size=8)),
    "Dataset": (
        data.Dataset,
        lambda: dict(
            name="x", images=PIXELS, labels=LABELS, class_names=("a", "b"), flip=False,
            note="",
        ),
    ),
    "evaluate_model": (
        evaluation.evaluate_model,
        lambda: dict(
            model=shipped(), data="digits", samples=4, guidance=1.0,
            interval=(0.0, 1.0), steps=1, sampler="euler", seed=0, extractor=None,
            reference=seen(), scores=["frechet"], repeats=20,
        ),
    ),
    "fit_scaling_law": (
        dit_lite.fit_scaling_law,
        lambda: dict(
            parameters=SIZES, images=COUNTS, loss=LOSSES, floor=True, runs=None,
            same=None, delta=None, draws=20, seed=0,
        ),
    ),
    "train": (
        dit_lite.train, lambda: dict(config=FAST, resume=False, progress=False)
    ),
    "class_accuracy": (
        evaluation.class_accuracy,
        lambda: dict(
            judge=evaluation.load_judge(), images=IMAGES, labels=LABEL_TENSOR,
            num_classes=10,
        ),
    ),
    "bootstrap": (
        evaluation.bootstrap,
        lambda: dict(
            statistic=lambda x: float(x.double().mean()), repeats=20, seed=0,
            samples=FEATURES,
        ),
    ),
    "density_coverage": (
        evaluation.density_coverage, lambda: dict(real=FEATURES, made=FEATURES, k=2)
    ),
    "frechet_distance": (
        evaluation.frechet_distance, lambda: dict(real=FEATURES, made=FEATURES)
    ),
    "gaussian": (evaluation.gaussian, lambda: dict(features=FEATURES)),
    "inception_score": (
        evaluation.inception_score,
        lambda: dict(probabilities=FEATURES.softmax(1), splits=1, seed=0),
    ),
    "inject": (
        evaluation.inject,
        lambda: dict(name="blur", images=IMAGES, labels=LABEL_TENSOR, seed=0),
    ),
    "kernel_distance": (
        evaluation.kernel_distance,
        lambda: dict(
            real=FEATURES, made=FEATURES, size=10, subsets=20, seed=0
        ),
    ),
    "squared_mmd": (
        evaluation.squared_mmd, lambda: dict(real=FEATURES, made=FEATURES)
    ),
    "memorisation": (
        evaluation.memorisation, lambda: dict(made=FEATURES, train=FEATURES)
    ),
    "nearest": (
        evaluation.nearest, lambda: dict(points=FEATURES, of=FEATURES, k=1)
    ),
    "precision_recall": (
        evaluation.precision_recall, lambda: dict(real=FEATURES, made=FEATURES, k=2)
    ),
    "radial_spectrum": (evaluation.radial_spectrum, lambda: dict(images=IMAGES)),
    "label_penalty": (
        evaluation.label_penalty,
        lambda: dict(model=shipped(), data=data.digits(), count=20, seed=0),
    ),
    "loss_by_time": (
        evaluation.loss_by_time,
        lambda: dict(model=shipped(), data=SOME, repeats=1, seed=0),
    ),
    "match_cost": (
        analysis.match_cost,
        lambda: dict(
            config=DiTConfig(), by="parameters", target=2e5, tolerance=0.05,
        ),
    ),
    "training_cost": (
        analysis.training_cost,
        lambda: dict(
            config=DiTConfig(), batch=8, precision="fp32", kernel="flash",
            checkpointing="none", optimiser="adamw", devices=1, accumulation=1,
            split="ddp", machine="H200", length=10, unit="steps",
        ),
    ),
    "model_size": (
        analysis.model_size, lambda: dict(config=DiTConfig(), counts="all")
    ),
    "entropy": (analysis.entropy, lambda: dict(weights=FEATURES.softmax(1))),
    "rank_correlation": (
        analysis.rank_correlation, lambda: dict(x=FEATURES[:, 0], y=FEATURES[:, 1])
    ),
    "captioned_shapes": (
        data.captioned_shapes,
        lambda: dict(split="train", seed=0, mix=(2, 2, 1), length=10),
    ),
    "Whole": (Whole(1), lambda: dict(name="x", value=1)),
    "Number": (Number(0, 1), lambda: dict(name="x", value=1)),
    "OneOf": (OneOf(("a", "b")), lambda: dict(name="x", value="a")),
}  # fmt: skip
#: Arguments of a function that are names of ours, or switches that are only asked.
NOT_ASKED = {
    ("bootstrap", "statistic"),  # a function of the caller's fails in its own words
    ("class_accuracy", "judge"),  # so does a network of theirs
    ("Whole", "name"),
    ("Number", "name"),
    ("OneOf", "name"),
}
ARGUMENTS = [
    (name, argument)
    for name, (_, make) in CALLS.items()
    for argument in make()
    if (name, argument) not in NOT_ASKED
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIT_LITE_DATA", str(tmp_path / "cache"))
    writable_cache()


def fault(error: BaseException) -> str | None:
    """What is wrong with an error, None for one of ours."""
    if not isinstance(error, (ValueError, TypeError, FileNotFoundError)):
        return "of a kind that nobody is told to expect"
    trace = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    file = trace.tb_frame.f_code.co_filename
    line = linecache.getline(file, trace.tb_lineno).strip()
    if f"{Path(dit_lite.__file__).parent}" not in file or not line.startswith("raise"):
        return f"raised by {file}:{trace.tb_lineno}: {line}"
    return None if len(str(error)) > 20 else "it says too little"


def call(function, given: dict):
    """With `given`; a statistic and its samples come by place."""
    by_place = ("statistic", "samples") if "statistic" in given else ()
    places = [given.pop(name) for name in by_place]
    return function(*places, **given)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_a_wrong_value_works_or_is_refused_by_name(name, argument):
    function, make = CALLS[name]
    faults = {}
    for kind, value in WRONG.items():
        try:
            given = make() | {argument: value}
            call(function, given)
        except BaseException as error:
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            if found := fault(error):
                faults[kind] = f"{type(error).__name__}({error}) {found}"
    assert not faults, "\n".join(f"{kind}: {said}" for kind, said in faults.items())
