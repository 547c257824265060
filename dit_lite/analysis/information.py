"""The bits that two variables share, from a table of their joint probabilities."""

from torch import Tensor


def mutual_information(joint: Tensor) -> float:
    """I(A; B) in bits of a table p(a, b), (rows, columns), whose entries are at least 0
    and sum to 1. Raises ValueError for another table. Source: Cover & Thomas eq. 2.28.
    """
    if joint.ndim != 2 or (joint < 0).any() or abs(joint.sum().item() - 1) > 1e-6:
        raise ValueError(
            f"joint has shape {tuple(joint.shape)} and sums to {joint.sum().item():g}; "
            "expected a table of probabilities that sum to 1"
        )
    joint = joint.double()
    apart = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    some = joint > 0
    return (joint[some] * (joint[some] / apart[some]).log2()).sum().item()
