"""What actually goes over the wire: all collective calls and their bytes, counted."""

from collections import Counter
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import _resolve_process_group
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

#: Bytes that one of p ranks sends around a ring, per byte of the whole tensor
#: (Patarasuk and Yuan 2009).
PARTS = {
    "all_reduce": lambda p: 2 * (p - 1) / p,
    "all_gather": lambda p: (p - 1) / p,
    "reduce_scatter": lambda p: (p - 1) / p,
    "all_to_all": lambda p: (p - 1) / p,
    "broadcast": lambda p: (p - 1) / p,
    "send": lambda p: 1.0,
}
#: The operators of torch's two interfaces: what each does, and which argument is the
#: whole tensor (None: its return value).
OPERATORS = {
    "c10d::allreduce_": ("all_reduce", 0),
    "c10d::allreduce_coalesced_": ("all_reduce", 0),
    "c10d::allgather_": ("all_gather", 0),
    "c10d::_allgather_base_": ("all_gather", 0),
    "c10d::allgather_into_tensor_coalesced_": ("all_gather", 0),
    "c10d::reduce_scatter_": ("reduce_scatter", 1),
    "c10d::_reduce_scatter_base_": ("reduce_scatter", 1),
    "c10d::alltoall_base_": ("all_to_all", 1),
    "c10d::broadcast_": ("broadcast", 0),
    "c10d::send": ("send", 0),
    "_c10d_functional::all_reduce": ("all_reduce", 0),
    "_c10d_functional::all_reduce_": ("all_reduce", 0),
    "_c10d_functional::all_gather_into_tensor": ("all_gather", None),
    "_c10d_functional::reduce_scatter_tensor": ("reduce_scatter", 0),
    "_c10d_functional::all_to_all_single": ("all_to_all", 0),
}


@dataclass(frozen=True)
class Call:
    """One call: its kind, its number of ranks, and the bytes of the whole tensor (for a
    send, of the message).
    """

    what: str
    ranks: int
    bytes: int

    @property
    def sent(self) -> float:
        """Bytes that a rank sends, if the call goes around a ring."""
        return PARTS[self.what](self.ranks) * self.bytes


class Wire(TorchDispatchMode):
    """While open, records in `calls` every collective call of this process over more
    than one rank. Scalars are left out: norms, losses and the sizes of messages.
    """

    def __init__(self):
        super().__init__()
        self.calls: list[Call] = []

    @property
    def sent(self) -> float:
        """Bytes that this rank sent."""
        return sum(call.sent for call in self.calls)

    def by_kind(self) -> dict[str, float]:
        """Bytes sent by kind of call."""
        total: Counter = Counter()
        for call in self.calls:
            total[call.what] += call.sent
        return dict(total)

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        result = operator(*args, **(kwargs or {}))
        name = operator.name().split(".")[0]
        if name in OPERATORS:
            what, place = OPERATORS[name]
            whole = tree_leaves(result if place is None else args[place])
            whole = [x for x in whole if isinstance(x, Tensor)]
            ranks = _group(args).size()
            if ranks > 1 and sum(x.numel() for x in whole) > ranks:
                self.calls.append(Call(what, ranks, sum(x.nbytes for x in whole)))
        return result


def _group(args: tuple) -> dist.ProcessGroup:
    """The process group among the arguments of an operator: an object in one interface,
    the last string in the other.
    """
    for arg in args:
        if isinstance(arg, torch.ScriptObject) and "ProcessGroup" in str(arg._type()):
            return dist.ProcessGroup.unbox(arg)
    return _resolve_process_group([arg for arg in args if isinstance(arg, str)][-1])
