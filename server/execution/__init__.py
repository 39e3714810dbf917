"""From a request to its reply: dispatch, refusals, effects, blocked clients."""
