"""Runs inside TrackEval's own environment: numbered clips as JSON on stdin, its scores as JSON on stdout."""

import contextlib
import json
import os
import sys

import numpy as np
from trackeval.metrics import CLEAR, HOTA, Identity


def scores(clips):
    """Score each clip, and all of them together, by the three measures."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123  the tool prints
        measures = [HOTA(), CLEAR({"PRINT_CONFIG": False}), Identity({"PRINT_CONFIG": False})]
        single = [[measure.eval_sequence(data(clip)) for measure in measures] for clip in clips]
        together = [
            measure.combine_sequences({str(number): results[index] for number, results in enumerate(single)})
            for index, measure in enumerate(measures)
        ]
    return {"clips": [picked(results) for results in single], "together": picked(together)}


def data(clip):
    """Turn a clip into what the tool takes."""
    true_ids = [np.array(frame["true"], dtype=int) for frame in clip["frames"]]
    said_ids = [np.array(frame["said"], dtype=int) for frame in clip["frames"]]
    shapes = [(len(true), len(said)) for true, said in zip(true_ids, said_ids, strict=True)]
    overlaps = [np.array(frame["overlap"], dtype=float) for frame in clip["frames"]]
    return {
        "num_timesteps": len(clip["frames"]),
        "num_gt_ids": clip["true_tracks"],
        "num_tracker_ids": clip["said_tracks"],
        "num_gt_dets": sum(true for true, _ in shapes),
        "num_tracker_dets": sum(said for _, said in shapes),
        "gt_ids": true_ids,
        "tracker_ids": said_ids,
        "similarity_scores": [overlap.reshape(shape) for overlap, shape in zip(overlaps, shapes, strict=True)],
    }


def picked(results):
    """Keep the scores that are compared."""
    hota, clear, identity = results
    means = {name: float(np.mean(hota[name])) for name in ("HOTA", "DetA", "AssA", "LocA")}
    counts = {name: float(clear[name]) for name in ("MOTA", "MOTP", "CLR_TP", "CLR_FN", "CLR_FP")}
    events = {name: float(clear[name]) for name in ("IDSW", "Frag", "MT", "ML")}
    return {**means, **counts, **events, **{name: float(identity[name]) for name in ("IDF1", "IDTP", "IDFN", "IDFP")}}


if __name__ == "__main__":
    json.dump(scores(json.load(sys.stdin)), sys.stdout, indent=1)
