"""The matrix product of the pages: its bytes are those of its source, and it multiplies
like numpy.
"""

from __future__ import annotations

import numpy as np
import pytest
import wasmtime

from dit_lite.widgets.explorer import HERE, text

KERNEL = (HERE / "matmul.wasm").read_bytes()


def matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product by the kernel: a (M, K), b (K, N) float32 -> (M, N)."""
    store = wasmtime.Store()
    module = wasmtime.Module(store.engine, KERNEL)
    exports = wasmtime.Instance(store, module, []).exports(store)
    memory, (M, K), N = exports["memory"], a.shape, b.shape[1]
    end = a.nbytes + b.nbytes + 4 * M * N
    memory.grow(store, end // 65536 + 1)
    memory.write(store, a.tobytes(), 0)
    memory.write(store, b.tobytes(), a.nbytes)
    exports["matmul"](store, 0, a.nbytes, a.nbytes + b.nbytes, M, K, N)
    found = memory.read(store, a.nbytes + b.nbytes, end)
    return np.frombuffer(found, np.float32).reshape(M, N)


def test_the_bytes_are_those_of_the_source():
    assert wasmtime.wat2wasm((HERE / "matmul.wat").read_text()) == KERNEL


def test_the_bytes_travel_inside_the_module():
    assert "MATMUL_WASM" not in text("matmul.mjs")
    assert text("matmul.mjs").count("AGFzbQ") == 1  # the first bytes of a binary


@pytest.mark.parametrize("shape", [(4, 1, 8), (4, 3, 16), (128, 128, 384), (64, 7, 8)])
def test_the_kernel_multiplies_like_numpy(shape):
    M, K, N = shape
    random = np.random.default_rng(0)
    a = random.standard_normal((M, K), dtype=np.float32)
    b = random.standard_normal((K, N), dtype=np.float32)
    exact = a.astype(np.float64) @ b
    np.testing.assert_allclose(matmul(a, b), exact, atol=3e-6 * K**0.5, rtol=0)
