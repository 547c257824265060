"""The report on a model: its samples and real images in one table, with everything that
a reader needs in order to trust it.
"""

from dataclasses import asdict, dataclass

from ..losses.label_penalty import LabelPenalty
from .comparison import ENOUGH
from .measure import SCORES
from .score_table import Scores, ScoreTable

#: plain name, as typed -> the name of a score
NAMES = {name.lower().replace("é", "e"): name for name in (*SCORES, "CAS")}


@dataclass(frozen=True)
class Report:
    """Two rows, the samples and real images in their place; `left_out`, the scores that
    could not be computed and why; `by_class` (K,), the share of samples judged to be of
    their class, NaN for a class without samples, or None without a judge;
    `class_names`, K names or none; `loss`, the model's loss on the real images by the
    label it is given, or None if the images themselves are not available.
    """

    samples: Scores
    real: Scores
    left_out: dict[str, str]
    by_class: tuple[float, ...] | None = None
    class_names: tuple[str, ...] = ()
    loss: LabelPenalty | None = None

    def __str__(self) -> str:
        lines = [str(ScoreTable([self.samples, self.real]))]
        if self.by_class:
            share, k = min(
                (share, k) for k, share in enumerate(self.by_class) if share == share
            )
            lines.append(
                "Accuracy of the worst class, "
                f"{self.class_names[k] if self.class_names else k}: {share:.1%}."
            )
        if (
            few := min(
                count
                for row in (self.samples, self.real)
                for count in (row.samples, row.reference_count)
            )
        ) < ENOUGH:
            near, nearer = (100 / n**0.5 for n in (few, ENOUGH))
            lines.append(
                f"Few images: with {few}, a share such as precision is known to about "
                f"{near:.0f} percentage points, with {ENOUGH} to {nearer:.0f}."
            )
        if self.loss:
            lines.append(str(self.loss))
        return "\n".join(lines + self._left_out())

    def _left_out(self) -> list[str]:
        """One line per reason; where both rows lack a score, the first row's reason."""
        rows, reasons, lines = {}, {}, {}
        for name, reason in self.left_out.items():
            score, row = name.split(" of ", 1)
            rows.setdefault(score, []).append(row)
            reasons.setdefault(score, reason)
        for score, reason in reasons.items():
            lines.setdefault((" and ".join(rows[score]), reason), []).append(score)
        return [
            f"Left out of {row}: {', '.join(scores)}: {reason}."
            for (row, reason), scores in lines.items()
        ]

    def to_dict(self) -> dict:
        """Everything as JSON values: both full rows, and each score again under its
        plain name, with real_NAME for real images.
        """
        made, real = (
            {
                plain: row.values[name].value
                for plain, name in NAMES.items()
                if name in row.values
            }
            for row in (self.samples, self.real)
        )
        shares = {
            f"{name}_share": made[name] / real[name]
            for name in ("precision", "recall")
            if name in made and real.get(name)
        }
        worst = (
            {"worst_class": min(share for share in self.by_class if share == share)}
            if self.by_class
            else {}
        )
        row = self.samples
        how = {
            "samples": row.samples,
            "guidance": row.guidance,
            "steps": row.steps,
            "sampler": row.sampler,
            "seed": row.seeds[0],
        }
        flat = (
            made
            | worst
            | {f"real_{name}": value for name, value in real.items()}
            | shares
            | how
        )
        loss = {"loss": asdict(self.loss)} if self.loss else {}
        return (
            flat
            | {
                "rows": [self.samples.to_dict(), self.real.to_dict()],
                "left_out": self.left_out,
            }
            | loss
        )
