"""What stands in front of a transaction: a guard, a preflight, and the policy of both."""
