"""The shipped detectors (``.onnx``, manifest, signature), and, for those who build them, how they were made."""
