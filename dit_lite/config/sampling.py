"""How images are drawn where nothing else is asked for: by `sample` and the scores of a
model, in Python and on the command line.
"""

STEPS, GUIDANCE, SAMPLER = 25, 1.5, "heun"
