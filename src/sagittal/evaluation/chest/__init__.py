"""The two networks of chest films, measured: on simulated and on real films, which never share a number."""
