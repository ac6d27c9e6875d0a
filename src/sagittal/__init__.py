"""Sagittal answers questions about medical images and shows its work.

Medical research software, not a medical device: nothing it prints is a diagnosis.
"""

__version__ = "0.1.0"
