"""Models made elsewhere, one adapter a file: measured beside ours, and later called by our agents."""
