"""What tests share: a protocol client, servers, waiting, and data of each family."""
