"""The same commands to Redkeep and to real servers, every reply compared.

`cases/` holds scripts, one module per family; `machines/` generates them. `compare` says
what "the same" means and names the few ways in which less may be asked for.
"""
