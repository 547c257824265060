"""What every room needs from the disk: files written whole, tensors with a checksum,
saving and loading of models, paths, and errors of the system in one line.
"""
