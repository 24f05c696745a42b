"""How the shipped person detectors are made: pictures in, signed ``.onnx`` out.

Read in this order: ``pictures`` (what is labelled), ``augment`` (what thermal cameras do to it), ``network``,
``loss``, ``train`` (schedule, average, resume), ``export`` (the file the node loads), ``measure`` (what it can do).
Nothing here is imported by the node; torch is needed only for training and export.
"""

import edge  # noqa: F401  it tells ONNX Runtime to report to nobody, before anything here loads it
