"""mpLLM (Vepa et al.): questions about all sequences of a brain MR at once, answered in classes and words.

The model is a :class:`~sagittal.models.vlm.model.VLM` whose config names a hierarchical mixture of experts
and five task heads; what is its own is here.
"""
