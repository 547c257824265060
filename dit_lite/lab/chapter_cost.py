"""What a chapter costs, as one line at its top."""

from .budget import stay_on_cpu
from .experiments import all_experiments
from .results import read_result


def chapter_cost(chapter: str) -> str:
    """One line of Markdown for the top of a chapter: reading time and CPU time, as
    measured; no chapter needs a GPU. The live cells that follow run on the CPU, as
    `at_budget` says.
    """
    stay_on_cpu()
    name = "chapter_costs"
    result = read_result(name, "cpu", all_experiments()[name].full_settings("cpu"))
    if result is None or chapter not in result.values["rows"]:
        return (
            "Costs of this chapter: not yet measured (`python -m dit_lite "
            f"experiment run {name} --budget cpu`)."
        )
    row = result.values["rows"][chapter]
    old = " · STALE: the settings have changed since" if result.stale else ""
    return (
        f"**Read** {row['read_minutes']} min · **CPU run** "
        f"{row['cpu_seconds']:.0f} s on two cores · **GPU run** none needed{old}"
    )
