"""``edge calibrate``: where a fixed camera stands and how it looks, from points that are known in picture and on the map.

``points`` reads what was marked, ``solve`` finds the pose that brings the points nearest to where they were marked and
says how well it is known, ``picture`` draws horizon and metre grid so that a person can see whether it is right.
"""
