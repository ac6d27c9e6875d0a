"""Published tables about chest films → :class:`~sagittal.io.films.statement.FilmStatement`."""
