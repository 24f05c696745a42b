"""The few words that records, the wire and the stages have in common: each one a closed list.

Apart from ``records``, because the wire needs the words and not the records: a station starts sooner without them.
"""

from typing import Literal

RadiometryKind = Literal["agc8", "counts", "centikelvin", "kelvin64"]
Phase = Literal["new", "update", "end"]
Priority = Literal["routine", "important", "urgent"]
SightState = Literal["ok", "degraded", "blind"]
SightCause = Literal[
    "shutter", "frozen", "covered", "saturated", "crossover", "defocus", "dead-pixels", "no-frames", "fault"
]
EndReason = Literal["left", "merged", "restarted", "stopped"]
