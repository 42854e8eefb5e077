"""The simulated EA reporting API: its answers, the faults it can have, and its keys."""
