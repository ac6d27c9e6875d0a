"""IMAX measured: answers to the seven tasks, training data compared, Fisher spectra."""
