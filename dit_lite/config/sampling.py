"""The default sampling settings, for `sample` and for the scores of a model, in Python
and on the command line.
"""

STEPS, GUIDANCE, SAMPLER = 25, 1.5, "heun"
