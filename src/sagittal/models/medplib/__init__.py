"""MedPLIB (Huang et al.): point at something and ask what it is; ask for something and get its mask.

The model is a :class:`~sagittal.models.vlm.model.VLM` whose config names region prompts, a pixel encoder with
its mask decoder, and experts in every layer; what is its own is here.
"""
