"""Counter-based random numbers: the number that belongs to (seed, stream, index, draw),
without computing those before it, the same on every machine.
"""

import numpy as np

GAMMA = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, made odd


def mix(z: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser, a bijection of 64-bit words: any shape, uint64.

    Source: Steele, Lea and Flood 2014, fig. 17, with the constants of Stafford's
    variant 13.
    """
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def words(start: np.ndarray, count: int) -> np.ndarray:
    """The first `count` outputs of SplitMix64 from each state of `start` (n,) uint64:
    (n, count) uint64.
    """
    steps = np.arange(1, count + 1, dtype=np.uint64) * GAMMA
    return mix(start[:, None] + steps)


def states(seed: int, stream: int, index: np.ndarray) -> np.ndarray:
    """The state from which the draws of each index (n,) of a stream begin: (n,) uint64.

    Every level is mixed before the next is added, so that neighbouring seeds, streams
    and indices share nothing. Raises ValueError for a negative seed or index, TypeError
    for one that is not a whole number.
    """
    index = np.asarray(index)
    if not isinstance(seed, int | np.integer):
        raise TypeError(
            f"seed={seed!r} is of type {type(seed).__name__}; expected an int"
        )
    if not 0 <= seed < 2**63:
        raise ValueError(f"seed={seed} must be a whole number from 0 to 2^63 - 1")
    if index.dtype.kind not in "iu":
        raise TypeError(f"index is of type {index.dtype}; expected integers")
    if len(index) and index.min() < 0:
        raise ValueError(f"index={index.min()} is negative; images are numbered from 0")
    key = mix(words(np.array([seed], np.uint64), 1)[:, 0] + np.uint64(stream))
    return mix(key + index.astype(np.uint64) * GAMMA)


class Draws:
    """A table of draws, used column by column: `below(k)` is uniform on 0 to k - 1 for
    each of n images, (n,) int64.

    The upper 32 bits are scaled, not taken modulo: the bias is less than k / 2^32
    (Lemire 2019, without the rejection).
    """

    def __init__(self, seed: int, stream: int, index: np.ndarray, columns: int):
        self.table = words(states(seed, stream, index), columns) >> np.uint64(32)
        self.next = 0

    def below(self, bound: int | np.ndarray) -> np.ndarray:
        column = self.table[:, self.next]
        self.next += 1
        bound = np.asarray(bound, np.uint64)
        return ((column * bound) >> np.uint64(32)).astype(np.int64)

    def weighted(self, weights: tuple[int, ...]) -> np.ndarray:
        """A number from 0 to len(weights) - 1 in proportion to whole weights."""
        edges = np.cumsum(weights)
        return np.searchsorted(edges, self.below(int(edges[-1])), side="right")
