"""Published tables and laws, refitted and checked: nothing is trained."""

import warnings

import numpy as np

from ...analysis.scaling_laws import ScalingWarning, fit_scaling_law, model_size
from ...analysis.scaling_laws.published import BESIROGLU, HOFFMANN, LIANG
from ...config import preset
from ...lab import Parts, experiment

#: FID of 50,000 samples after 400,000 steps, without guidance (Peebles and Xie,
#: 2212.09748, table 4); sizes and multiply-adds are counted, not copied.
FID = {
    "S/8": 153.60, "S/4": 100.41, "S/2": 68.40, "B/8": 122.74, "B/4": 68.38,
    "B/2": 43.47, "L/8": 118.87, "L/4": 45.64, "L/2": 23.33, "XL/8": 106.41,
    "XL/4": 43.01, "XL/2": 19.47,
}  # fmt: skip
LATENT = dict(learn_variance=True, path="ddpm", objective="eps")
CHINCHILLA = 5.76e23  # FLOPs of training it (2203.15556 table 3)


@experiment(
    "What do published tables say when they are refitted?",
    seconds=dict(cpu=5.0),
    smoke=dict(),
    cpu=dict(),
)
def published_laws(parts: Parts) -> dict:
    """`rows` are the twelve models of the DiT paper; `exponents` of FID over Psi by
    patch, `correlations` of log FID with log Psi and with log multiply-adds, with and
    without logarithm of FID; `floors` what a floor would change; `liang` and
    `chinchilla` what published constants give where their papers state a value too.
    """
    (rows,) = parts.map(table, [{}])
    return {
        "rows": rows,
        "exponents": [exponent(rows, patch) for patch in (8, 4, 2)],
        "correlations": correlations(rows),
        "floors": [with_floor(rows, floor) for floor in (False, True)],
        "liang": liang(),
        "chinchilla": chinchilla(),
    }


def table() -> list[dict]:
    """The twelve models: counted sizes, printed FID."""
    return [
        {
            "model": name,
            "patch_size": int(name.split("/")[1]),
            "parameters": model_size(preset(name, **LATENT)),
            "macs": model_size(preset(name, **LATENT), "macs"),
            "fid": fid,
        }
        for name, fid in FID.items()
    ]


def column(rows: list[dict], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows], float)


def exponent(rows: list[dict], patch: int) -> dict:
    """alpha of FID ~ Psi^-alpha over the four models of one patch size."""
    some = [row for row in rows if row["patch_size"] == patch]
    x, y = np.log(column(some, "parameters")), np.log(column(some, "fid"))
    return {"patch_size": patch, "alpha": float(-np.polyfit(x, y, 1)[0])}


def correlations(rows: list[dict]) -> list[dict]:
    """Pearson's r of FID, and of its logarithm, with the logarithm of two sizes."""
    found = []
    for name in ("parameters", "macs"):
        x, fid = np.log(column(rows, name)), column(rows, "fid")
        found.append(
            {
                "size": name,
                "r": float(np.corrcoef(x, fid)[0, 1]),
                "r_log": float(np.corrcoef(x, np.log(fid))[0, 1]),
            }
        )
    return found


def with_floor(rows: list[dict], floor: bool) -> dict:
    """alpha of FID over multiply-adds, with and without a floor, and its interval."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScalingWarning)
        law = fit_scaling_law(
            column(rows, "macs"), None, column(rows, "fid"), floor=floor
        )
    low, high = law.interval("alpha")
    return {
        "floor": floor, "E": law.E, "alpha": law.alpha, "low": low, "high": high,
    }  # fmt: skip


def liang() -> list[dict]:
    """Constants of 2410.08184 at the computes of its abstract and of its test run: a
    model of about a billion parameters at 1e21, 958.3 million at 1.5e21.
    """
    return [
        {"compute": compute}
        | {name: law(compute) for name, law in LIANG.items()}
        | {
            "spent": 6 * LIANG["parameters"](compute) * LIANG["tokens"](compute)
            / compute
        }
        for compute in (1e17, 6e18, 1e21, 1.5e21)
    ]  # fmt: skip


def chinchilla() -> list[dict]:
    """The best model for Chinchilla's compute by the printed law and by its refit."""
    found = []
    for name, law in {"printed": HOFFMANN, "refit": BESIROGLU}.items():
        best = law.optimum(CHINCHILLA)
        found.append(
            {
                "law": name,
                "allocation": law.allocation,
                "parameters": best.parameters,
                "tokens_per_parameter": best.images / best.parameters,
            }
        )
    return found
