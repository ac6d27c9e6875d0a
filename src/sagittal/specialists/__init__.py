"""Specialists: models that are called on demand. Cards, registry, processes, and one adapter a file."""
