"""The simulated bill: an estate, its usage rows, and every trap of the source."""
