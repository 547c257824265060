import pytest

from dit_lite.analysis.scaling_laws.published import BESIROGLU, HOFFMANN, LIANG

CHINCHILLA = 5.76e23  # FLOPs, 2203.15556 table 3


def test_the_printed_law_and_its_refit_allocate_differently():
    """2404.10102: the refit's best model for Chinchilla's compute has about 20 tokens
    per parameter, as Chinchilla has, the printed law's several times as many.
    """
    printed, refit = (
        best.images / best.parameters
        for best in (law.optimum(CHINCHILLA) for law in (HOFFMANN, BESIROGLU))
    )
    assert printed > 3 * refit
    assert 15 < refit < 25


def test_constants_of_liang_agree_with_their_abstract():
    """2410.08184: about a billion parameters for about 1e21 FLOPs; and best size times
    best data, times six, is the compute.
    """
    assert 0.7e9 < LIANG["parameters"](1e21) < LIANG["parameters"](1.5e21) < 1.05e9
    for compute in (1e17, 6e18, 1.5e21):
        spent = 6 * LIANG["parameters"](compute) * LIANG["tokens"](compute)
        assert spent == pytest.approx(compute, rel=0.02)
