"""Numbers from masks and images: size, shape, spread, extent, intensity, place and change.

Start at :func:`sagittal.measure.describe.describe`; every other module is one idea that it composes.
"""
