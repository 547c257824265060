"""Devices in a grid: which ranks hold copies, and which hold parts."""

from dataclasses import dataclass

import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from .strategy import Strategy


@dataclass(frozen=True)
class Mesh:
    """The devices of a run. `mesh` has the dimensions "stage", "replica", "data",
    "tensor" and "sequence", those of size one omitted except "data".

    Ranks of a tensor or sequence group are neighbours, since they communicate most;
    stages are furthest apart.
    """

    strategy: Strategy
    mesh: DeviceMesh

    def size(self, name: str) -> int:
        """Devices along a dimension."""
        names = self.mesh.mesh_dim_names
        return self.mesh[name].size() if name in names else 1

    def place(self, name: str) -> int:
        """This rank's place along a dimension."""
        names = self.mesh.mesh_dim_names
        return self.mesh.get_local_rank(name) if name in names else 0

    def group(self, name: str) -> dist.ProcessGroup | None:
        """The group of ranks along a dimension that includes this one, if there are
        others.
        """
        names = self.mesh.mesh_dim_names
        return self.mesh.get_group(name) if name in names else None

    @property
    def data_rank(self) -> int:
        """Which part of the batch this rank works on."""
        return self.place("replica") * self.size("data") + self.place("data")

    @property
    def data_world(self) -> int:
        """How many parts the batch has."""
        return self.size("replica") * self.size("data")

    def flat(self, *names: str) -> DeviceMesh:
        """Several dimensions as one, in the order of the mesh."""
        here = tuple(n for n in self.mesh.mesh_dim_names if n in names)
        if len(here) == 1:
            return self.mesh[here[0]]
        return self.mesh[here]._flatten("_".join(here))


def make_mesh(strategy: Strategy, device_type: str = "cpu") -> Mesh:
    """The mesh of a strategy over all processes. Raises ConfigError for a world that
    the strategy does not divide.
    """
    replicas = strategy.replicas(dist.get_world_size())
    shards = strategy.shards if strategy.shards > 1 else replicas
    # copies of models whose layers are split: FSDP groups with one member
    if strategy.tensor > 1 and strategy.data == "ddp":
        shards = 1
    dimensions = {
        "stage": strategy.stages,
        "replica": replicas // shards,
        "data": shards,
        "tensor": strategy.tensor,
        "sequence": strategy.sequence,
    }
    kept = {n: size for n, size in dimensions.items() if size > 1 or n == "data"}
    return Mesh(
        strategy,
        init_device_mesh(device_type, tuple(kept.values()), mesh_dim_names=tuple(kept)),
    )
