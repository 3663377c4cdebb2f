"""Tables to findings: rules in SQL, a policy, and the forms in which findings are written."""
