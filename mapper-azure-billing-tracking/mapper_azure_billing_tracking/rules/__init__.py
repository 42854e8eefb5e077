"""The rules R1-R16, and what they find."""
