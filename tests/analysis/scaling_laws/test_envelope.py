import numpy as np
import pytest
from synthetic import LAW

from dit_lite.analysis.scaling_laws import ScalingError, ScalingWarning, envelope


def curves(sizes, images):
    psi, n = (a.ravel() for a in np.meshgrid(sizes, images, indexing="ij"))
    return psi, n, LAW.predict(psi, n)


def test_the_envelope_grows_as_the_law_allocates():
    found = envelope(*curves(np.geomspace(1e5, 1e9, 17), np.geomspace(1e3, 1e9, 60)))
    assert found.exponent == pytest.approx(LAW.allocation, abs=0.03)
    best = [LAW.optimum(c).loss for c in found.compute]
    np.testing.assert_allclose(found.loss, best, rtol=0.01)
    middle = found.compute[len(found.compute) // 2]
    guess = found.factor * middle**found.exponent
    assert guess == pytest.approx(LAW.optimum(middle).parameters, rel=0.25)


def test_a_grid_that_ends_too_soon_is_warned_of():
    with pytest.warns(ScalingWarning, match="smallest or largest size is lowest"):
        envelope(*curves(np.geomspace(1e6, 1e7, 5), np.geomspace(1e3, 1e9, 40)))


def test_sizes_that_never_cross_are_refused():
    """Three sizes, of which the middle one alone is ever lowest."""
    psi, n, loss = curves([1e6, 3e6, 9e6], np.geomspace(1e2, 1e4, 20))
    loss[psi != 3e6] *= 9
    with pytest.raises(ScalingError, match="only 1 of 3 sizes is ever the lowest"):
        envelope(psi, n, loss)
