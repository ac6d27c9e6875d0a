"""Questions about pixels from segmented pictures: the making of MeCoVQA (MedPLIB and its appendix).

The paper's three steps are three kinds of files. Step I (:mod:`~sagittal.builders.pixel_qa.preparing`) writes
every picture with its masks and what is exactly known of it; steps II and III put that into words, by the
grammar (:mod:`~sagittal.builders.pixel_qa.items`) or by a language endpoint
(:mod:`~sagittal.builders.pixel_qa.conversing`); :mod:`~sagittal.builders.pixel_qa.pixel_set` runs it all.
"""

from __future__ import annotations

from sagittal.builders.pixel_qa.pixel_set import build_pixel_set

__all__ = ["build_pixel_set"]
