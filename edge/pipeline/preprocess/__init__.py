"""From the sensor's counts to the 8-bit picture, and to the model's input tensor."""

from edge.pipeline.preprocess.reference import Prepared, Preprocessor

__all__ = ["Prepared", "Preprocessor"]
