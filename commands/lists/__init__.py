"""Commands on lists, blocking ones included."""
