"""What tests share: a raw protocol client, servers to talk to, and how to quote a script."""
