"""What lies inside a model that was compiled or made parallel: the module itself, and
names without the wrappers' own.
"""

from collections.abc import Iterator

from torch import Tensor, nn

#: The attributes under which DistributedDataParallel, torch.compile and activation
#: checkpointing keep the module that they wrap.
INSIDE = ("module", "_orig_mod", "_checkpoint_wrapped_module")


def bare(model: nn.Module) -> nn.Module:
    """The module inside all wrappers; the model itself where there is none."""
    while name := next((name for name in INSIDE if name in model._modules), None):
        model = model._modules[name]
    return model


def clean(name: str) -> str:
    """The name that a parameter has in the module without wrappers."""
    return ".".join(part for part in name.split(".") if part not in INSIDE)


def parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters of a model by their clean names."""
    return ((clean(name), value) for name, value in model.named_parameters())


def weights(model: nn.Module) -> dict[str, Tensor]:
    """What `state_dict` holds, by clean names."""
    return {clean(name): value for name, value in model.state_dict().items()}
