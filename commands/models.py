"""MODEL.*: a registry of models and their versions.

The registry is one per database; it knows no pools. A model's keys share the hash tag
`{name}`:

| key | type | holds |
|---|---|---|
| `redkeep:models:{name}` | string | the model's row, JSON: `name active latest` |
| `redkeep:model_versions:{name}` | hash | version in decimal → the version's row, JSON |
| `redkeep:model_weights:{name}` | hash | version in decimal → the blob; only where given |
| `redkeep:model_archive:{name}` | set | versions that are archived |

`active` is a version or null, `latest` the highest version there ever was: what is deleted
is not numbered again. Members of the row that are not known here are kept. A version's row
is `model version hyperparams metrics data_hash sql parent created_at created_by`, where
`hyperparams` and `metrics` are JSON texts, kept as given in opaque strings; it is written
once. Whether a version is active or archived stands beside it.

The `models` and `model_versions` of ML.* are these rows. Its pool does not divide them:
every pool sees the one registry. `put_model`, `put_version` and their like below are how
ML.* reaches them, so that both keep the same order in the keys. A version that is put
without its model makes the model's row; one that is above `latest` raises it.

Names are UTF-8, not empty, and do not start with `}`, which would leave an empty tag.
"""
