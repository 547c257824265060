"""Weights as a run reads and writes them: a whole model, or a part of its state."""

from pathlib import Path

import torch
from torch import Tensor, nn

from ..files.pretrained import load_weights
from ..model.dit import DiT
from ..wrappers import weights


def load(name_or_directory: str | Path, device: str | torch.device = "cpu") -> DiT:
    """The model of a shipped checkpoint ("digits") or of a directory with config.json
    and model.safetensors, in eval mode. Errors as in `DiT.from_pretrained`.
    """
    return DiT.from_pretrained(name_or_directory).to(device)


class Weights:
    """The weights of a model, whatever wraps it, as a part of the state of a run."""

    def __init__(self, model: nn.Module):
        self.model = model

    def state_dict(self) -> dict[str, Tensor]:
        return weights(self.model)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        load_weights(self.model, state, "the weights of the state")
