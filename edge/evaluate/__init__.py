"""Evaluation: known truth + what the node said -> how right it was.

``detection`` judges boxes picture by picture, as COCO does. ``counting`` judges whole clips: tracks (``clear``,
``hota``, ``identity``), groups, counts, alerts and lines. Both see only records and truth, never the model or the
pipeline's insides, so they can judge any other program that writes the same records.
"""
