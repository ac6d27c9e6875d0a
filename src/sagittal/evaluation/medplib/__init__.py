"""MedPLIB measured: regions, masks, answers, stages and experts."""
