"""From the sensor's counts to the 8-bit picture, to the model's input tensor, and to what the counts tell."""

from edge.pipeline.preprocess.backend import Backend, backend
from edge.pipeline.preprocess.prepare import Prepared, Preprocessor
from edge.pipeline.preprocess.tiles import CloseUps

__all__ = ["Backend", "CloseUps", "Prepared", "Preprocessor", "backend"]
