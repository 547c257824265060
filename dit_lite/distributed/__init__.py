"""Many devices: how they exchange what they know, and how a model is split over
them.
"""
