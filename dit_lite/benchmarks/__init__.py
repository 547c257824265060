"""What `python -m dit_lite bench NAME` measures: the `run` of the module NAME."""

BENCHMARKS = ("attention", "cost", "quickstart", "step", "train")
