"""Conversations about specialists, out of studies that they were really run over (VILA-M3 §3.3)."""
