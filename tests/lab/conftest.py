"""An empty folder of results, and experiments that cost nothing."""

from functools import partial
from types import SimpleNamespace

import pytest

from dit_lite.lab import EXPERIMENTS, Experiment, all_experiments


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """The top of an empty checkout without git: results go there, whatever machine
    this is.
    """
    for module in ("results", "archive"):
        monkeypatch.setattr(
            f"dit_lite.lab.{module}.resource", lambda name: tmp_path / name
        )
    monkeypatch.setattr("dit_lite.lab.provenance.commit", lambda: "0" * 40)
    for module in ("provenance", "experiments"):
        monkeypatch.setattr(
            f"dit_lite.lab.{module}.hardware", lambda device="cpu": "one abacus"
        )
    return tmp_path


class Squares:
    """An experiment of `n` parts that remembers which it did; part `stop_at` raises
    `stop` once; `during` is called in every part.
    """

    def __init__(
        self,
        name: str,
        n: int,
        stop_at: int | None = None,
        stop: BaseException | None = None,
        during=lambda: None,
        **keywords,
    ):
        self.did: list[int] = []
        self.stop_at, self.stop, self.during = stop_at, stop, during
        settings = dict(smoke=dict(n=1), cpu=dict(n=n, seeds=[0, 1]))
        EXPERIMENTS[name] = Experiment(
            name, "What are squares?", self, settings, **keywords
        )

    def __call__(self, parts, n, seeds=()):
        return {
            "rows": parts.map(self.square, [dict(k=k) for k in range(n)], power=2),
            "n": n,
        }

    def square(self, k, power):
        if k == self.stop_at:
            self.stop_at = None
            raise self.stop
        self.during()
        self.did.append(k)
        return (k, k**power)


@pytest.fixture
def squares(checkout):
    """A function that registers such an experiment and takes it away after the test;
    no others are registered.
    """
    everything = dict(all_experiments())
    EXPERIMENTS.clear()
    yield Squares
    EXPERIMENTS.clear()
    EXPERIMENTS.update(everything)


@pytest.fixture
def clock(monkeypatch):
    """A clock that only `clock(seconds)` moves."""
    time = [0.0]

    def forward(seconds: float) -> None:
        time[0] += seconds

    for module in ("parts", "budget"):
        monkeypatch.setattr(
            f"dit_lite.lab.{module}.time", SimpleNamespace(monotonic=lambda: time[0])
        )
    return forward


@pytest.fixture
def slow(squares, clock):
    """`squares` whose parts take ten seconds of `clock`."""
    return partial(squares, during=lambda: clock(10))
