"""What a model is worth by its loss on real images, without drawing one."""
