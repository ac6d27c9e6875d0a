"""IMAX's builder: published tables about chest films → questions for seven tasks.

Statements of all sources are joined by film (:mod:`.join`), cleaned and measured once (:mod:`.cleaning`,
:mod:`.measuring`, :mod:`.surveying`); what is then known of a film is put into the paper's prompts
(:mod:`.entries`, :mod:`.questions`), and films are divided into IMAX, DMAX and a common test set
(:mod:`.choosing`). :func:`sagittal.builders.chest_tasks.build_chest_tasks` runs it all.
"""
