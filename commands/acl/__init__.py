"""ACL: the commands that define users, and that show what was refused."""
