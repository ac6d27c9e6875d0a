"""IMAX's comparison: dense against scattered data, and pseudo-labels between them."""
