import pytest

from dit_lite.config import ConfigError
from dit_lite.distributed.collectives import ring, traffic
from dit_lite.distributed.time_model import (
    Link,
    amdahl,
    bus_bandwidth,
    fit_link,
    gustafson,
    overlap_of,
    step_seconds,
)


@pytest.mark.parametrize("p", [2, 4, 16])
def test_ring_time_is_hops_and_bytes_of_the_ring_that_is_sent(p):
    link = Link(1e-3, 1e9)
    counted = traffic(ring(p), 1600, 4)
    expected = counted.hops * link.alpha + counted.sent[0] / link.bandwidth
    assert link.ring(6400, p) == pytest.approx(expected)
    assert link.half_ring(6400, p) == pytest.approx(expected / 2)


def test_a_fit_finds_the_link_that_made_the_times():
    link = Link(2e-4, 7e8)
    sizes = [(n, p) for n in (1e3, 1e5, 1e7, 1e8) for p in (2, 4)]
    times = [link.ring(n, p) for n, p in sizes]
    found = fit_link(*zip(*sizes, strict=True), times)
    assert found.alpha == pytest.approx(link.alpha)
    assert found.bandwidth == pytest.approx(link.bandwidth)
    noisy = [t * (1 + 0.2 * (-1) ** i) for i, t in enumerate(times)]
    found = fit_link(*zip(*sizes, strict=True), noisy)
    assert found.alpha == pytest.approx(link.alpha, rel=0.5)
    with pytest.raises(ConfigError, match="two sizes"):
        fit_link([1e6], [2], [1.0])


def test_bus_bandwidth_is_below_the_link_as_long_as_there_is_latency():
    assert bus_bandwidth(1e8, 8, Link(0, 1e9).ring(1e8, 8)) == pytest.approx(1e9)
    assert bus_bandwidth(1e5, 8, Link(1e-3, 1e9).ring(1e5, 8)) < 0.05e9


def test_a_step_lies_between_the_larger_time_and_the_sum():
    assert step_seconds(3, 1, overlap=0) == 4
    assert step_seconds(3, 1, overlap=1) == 3
    # only two thirds of computing can hide gradients
    assert step_seconds(3, 5, overlap=1) == 6 > max(3, 5)
    assert overlap_of(step_seconds(3, 1, overlap=0.7), 3, 1) == pytest.approx(0.7)


def test_amdahl_is_bounded_and_gustafson_is_not():
    assert amdahl(1e9, 0.05) == pytest.approx(20)
    assert amdahl(8, 0) == gustafson(8, 0) == 8
    assert gustafson(1000, 0.05) == pytest.approx(950.05)
