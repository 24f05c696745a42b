"""Delivery: ``Alert``s reach the world.

``wire`` says what is written and where, ``outbox`` keeps it until it is delivered, ``mqtt`` carries it, and ``courier``
drains the one through the other in a thread of its own, so that the frame loop never waits on the network.
"""
