"""The source `ea`: the EA reporting API, with a key from the EA portal; `source` is what the tap sees of it."""
