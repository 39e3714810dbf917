"""The same commands sent to Redkeep and to real servers, with every reply compared.

`cases/` holds scripts, one module per family; `machines/` generates random ones. `compare`
defines when replies are equal, and names the tolerances.
"""
