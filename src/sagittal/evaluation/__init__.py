"""Measuring whole models: what ``sagittal evaluate`` and ``sagittal reproduce`` run.

Read in this order: ``asked`` (a model that is asked, as a vision function), ``runs`` (cases → records on
disk, resumably), ``report`` (records → tables).
"""
