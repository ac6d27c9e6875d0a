"""Pictures: overlays of masks on slices, montages, plots."""
