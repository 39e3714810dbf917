"""Commands about connections: CLIENT, pub/sub, transactions, waiting."""
