"""What `python -m dit_lite bench NAME` measures: `run` of the module of that name."""

BENCHMARKS = ("attention", "cost", "quickstart", "step", "train")
