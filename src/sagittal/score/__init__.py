"""Scores: intervals, paired tests, agreement; later text, classes, masks, boxes and measurements."""
