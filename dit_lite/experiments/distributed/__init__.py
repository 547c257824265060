"""Chapter 8: many devices, what they send, and what goes wrong without an error
message.
"""
