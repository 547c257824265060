"""How good are the judges themselves, on real images that they never saw?"""

import torch

from ...data import load_data
from ...evaluation import JUDGES, extract, load_extractor, share
from ...lab import Parts, experiment


@experiment(
    "How often is each judge right about held-out real images?",
    seconds=dict(cpu=60.0, gpu=30.0),
    smoke=dict(data=["digits"]),
    cpu=dict(data=list(JUDGES)),
    gpu=dict(data=list(JUDGES)),
)
def judges(parts: Parts, data: list[str]) -> dict:
    """Accuracy on all held-out images with its interval, accuracy per class, and the
    size of the network: one row per judge.
    """
    return {"rows": parts.map(one_judge, [{"name": name} for name in data])}


def one_judge(name: str) -> dict:
    """The row of the judge of one data set."""
    data, extractor = load_data(name, "test"), load_extractor(JUDGES[name])
    labels = torch.from_numpy(data.labels)
    right = extract(extractor, data.floats()).probabilities.argmax(1) == labels
    accuracy = share(right)
    return {
        "judge": extractor.name, "data": name, "images": len(data),
        "accuracy": accuracy.value, "low": accuracy.low, "high": accuracy.high,
        "by_class": [
            right[labels == k].float().mean().item() for k in range(extractor.classes)
        ],
        "parameters": sum(p.numel() for p in extractor.network.parameters()),
    }  # fmt: skip
