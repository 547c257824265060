"""What every room needs of the disk: files written whole, tensors with a checksum,
models that are saved and loaded, where files are, and what the system says.
"""
