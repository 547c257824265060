"""What the chapters cost."""
