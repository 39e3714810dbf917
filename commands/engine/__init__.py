"""What every family of commands is made of: declarations, options, replies, effects, errors.

Nothing here knows a family, or anything of an instance but what it is handed.
"""
