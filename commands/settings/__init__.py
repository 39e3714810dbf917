"""Settings: kinds of values, the declaration of every setting, values and config files."""
