"""Which token can change which: the Jacobian of a map between tokens, one number per
pair.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def influence(f: Callable[[Tensor], Tensor], tokens: Tensor) -> Tensor:
    """How strongly each output token depends on each input token: Frobenius norms of
    the blocks d f(tokens)_i / d tokens_j.

    f maps (B, N, d) to (B, N, e) and treats the B entries independently; tokens (N, d)
    is the point. Returns (N, N), row i for output i. A zero says that, at this point,
    output i does not depend on input j at all. Raises ValueError for another shape.
    """
    if tokens.ndim != 2:
        raise ValueError(
            f"tokens have shape {tuple(tokens.shape)}; pass the tokens of one image, "
            "(N, d)"
        )
    with torch.no_grad():
        e = f(tokens[None]).shape[-1]
    n, d = tokens.shape
    # copy k is asked for output k alone
    copies = tokens.detach().expand(n * e, n, d).clone().requires_grad_()
    with torch.enable_grad():
        outputs = f(copies).flatten(1)
        if outputs.shape != (n * e, n * e):
            raise ValueError(
                f"f returns {outputs.shape[1]} values for {n} tokens; it must "
                "return as many tokens as it is given"
            )
        (rows,) = torch.autograd.grad(outputs.diagonal().sum(), copies)
    return rows.view(n, e, n, d).square().sum((1, 3)).sqrt()
