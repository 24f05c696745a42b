"""From the sensor's counts to the 8-bit picture, to the model's input tensor, and to what the counts tell."""

from edge.pipeline.preprocess.backend import Backend, backend
from edge.pipeline.preprocess.prepare import Prepared, Preprocessor

__all__ = ["Backend", "Prepared", "Preprocessor", "backend"]
