"""Many devices: how they exchange data, and how a model is split over them."""
