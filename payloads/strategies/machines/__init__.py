"""State machines for Hypothesis: a keeper's world, and a venue that fails in any order.

Imported when a machine is asked for, because they need the simulators.
"""
