"""Labelled studies → shards of :class:`~sagittal.example.Example`, one file a protocol.

A builder is a pure function from one study to its examples (:class:`sagittal.builders.engine.Builder`);
:mod:`sagittal.builders.engine` runs any of them over a data set, in parallel and resumably, and
:mod:`sagittal.builders.shards` is the format on disk.
"""
