"""The audit log's chains: what a hash covers, what is wrong with a chain, what the days' evidence says of it."""
