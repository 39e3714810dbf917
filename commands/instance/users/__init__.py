"""Users: who may do what.

A user has passwords and selectors, and a selector grants commands, keys and channels (`rules`
changes both by the rules of ACL SETUSER). `checks` decides whether a user may run a request,
`table` holds the users of an instance and keeps connected clients in step with them, `denials` is
ACL LOG, and `user_files` are the lines of redis.conf and of the ACL file.
"""
