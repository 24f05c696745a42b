"""The tables of the stages between a frame and an alert."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from edge.config.section import Section, Share

_Parts = Annotated[int, Field(ge=1, le=8)]


class PreprocessConfig(Section):
    """``[preprocess]``: from the sensor's counts to the 8-bit picture that the model sees."""

    agc: Literal["limits", "plateau"] = Field(
        "limits",
        description="limits: levels are linear between the percentiles; plateau: they lie closer where counts are frequent, "
        "so that a wide scene shows more, noise too; the shipped model counts worse with it",
    )
    plateau_share: float = Field(
        0.03,
        gt=0.0,
        le=1.0,
        description="of plateau: no 64th of the range counts for more than this share of pixels",
    )
    low_percentile: float = Field(1.0, ge=0.0, le=20.0, description="counts below this share of pixels are black")
    high_percentile: float = Field(99.8, ge=80.0, le=100.0, description="counts above this share of pixels are white")
    smoothing_s: float = Field(
        1.0, ge=0.0, le=30.0, description="time constant of the limits: without it a hot engine makes the picture pump"
    )
    min_span_counts: float = Field(
        60.0, ge=1.0, le=60000.0, description="narrowest range of a 16-bit picture: a flat scene must not become noise"
    )
    correct_dead_pixels: bool = Field(
        default=True,
        description="take pixels that stick out of all their neighbours, look after look, for those around",
    )
    correct_stripes: bool = Field(
        default=False,
        description="take off what each column of a 16-bit picture adds to all of its pixels, for sensors whose stripes can "
        "be seen; up to 8 times the noise, so that nothing upright is taken for one",
    )


class ModelConfig(Section):
    """``[model]``: the detector."""

    path: str = Field(
        "",
        description="an .onnx file with its .toml manifest beside it, or the name of a shipped model (thermal-person, "
        "thermal-person-tiny for slow boards); empty: thermal-person",
    )
    allow_unsigned: bool = Field(default=False, description="load a model without a valid signature (your own export)")
    score: Share | None = Field(None, description="a detection counts from this score on; empty: the manifest's")
    score_low: Share | None = Field(None, description="a known track is held from this score on; empty: the manifest's")
    input_scale: Annotated[float, Field(ge=0.25, le=4.0)] | Literal["auto"] = Field(
        "auto",
        description="enlarge the picture for far, small people (2.0 costs four times the work); auto: small pictures, at "
        "most twice, until they cost what one of 640x512 does",
    )
    tiles: tuple[_Parts, _Parts] = Field(
        (1, 1),
        description="columns and rows of closer looks for far, small people, beside the look at the whole; each costs as "
        "much as that one, and false boxes grow too",
    )
    providers: tuple[str, ...] = Field(
        ("CPUExecutionProvider",),
        min_length=1,
        description="where the model runs, best first, as ONNX Runtime names it; what does not work is skipped, and health "
        "says so; without CPUExecutionProvider in the list the CPU is refused",
    )
    provider_options: dict[str, dict[str, str | int | float | bool]] = Field(
        default_factory=dict,
        description="options of a provider by its name, as ONNX Runtime documents them, e.g. trt_fp16_enable",
    )
    engine_cache_folder: str = Field(
        "engines",
        min_length=1,
        description="where TensorRT keeps what it compiled for this GPU, which takes minutes; used with TensorRT only",
    )
    threads: int = Field(1, ge=1, le=64, description="threads of one inference; 1 leaves the box cool and repeatable")


class GateConfig(Section):
    """``[gate]``: the model looks only where something moves or somebody is followed."""

    mode: Literal["auto", "on", "off"] = Field(
        "auto",
        description="auto: for cameras that stand still (camera.moving); on: for all; off: the model looks at every frame",
    )
    look_every_s: float = Field(
        4.0, ge=0.1, le=60.0, description="longest pause between two looks at a scene where nothing moves"
    )
    hold_s: float = Field(
        1.0, ge=0.0, le=60.0, description="the model goes on looking for this long after the last motion"
    )
    warm_up_s: float = Field(
        10.0,
        ge=0.0,
        le=600.0,
        description="it looks at every frame for this long after the start, to know the background",
    )


class TrackerConfig(Section):
    """``[tracker]``: from boxes to bodies."""

    confirm_hits: int = Field(3, ge=1, le=50, description="a body is believed after this many detections")
    confirm_s: float = Field(0.4, ge=0.0, le=10.0, description="... spread over at least this time")
    tentative_s: float = Field(
        1.1, ge=0.1, le=10.0, description="a body not yet believed is dropped when unseen for this long"
    )
    hidden_s: float = Field(
        40.0,
        ge=1.0,
        le=600.0,
        description="a believed body that is out of sight (bush, another body) is kept this long",
    )
    max_speed_heights_s: float = Field(
        6.0, ge=1.0, le=50.0, description="fastest plausible person, body heights per second; anything faster is none"
    )
    duplicate_overlap: Share = Field(
        0.7, description="a box that covers this share (IoU) of a body already followed is its echo, not a second body"
    )


class GroupsConfig(Section):
    """``[groups]``: from bodies to groups and their counts."""

    join_distance_heights: float = Field(
        2.5, ge=0.2, le=50.0, description="people this near can become one group, body heights between their feet"
    )
    leave_distance_heights: float = Field(
        4.0, ge=0.2, le=100.0, description="people of one group part beyond this distance, body heights"
    )
    near_m: float | None = Field(
        None,
        ge=0.5,
        le=200.0,
        description="... or metres on the ground, where the camera's pose is known (leaving grows along); for cameras that "
        "look down: to a low one a pixel far away is metres; empty: body heights everywhere",
    )
    velocity_agree_heights_s: float = Field(
        0.1, ge=0.01, le=10.0, description="people who move alike differ by no more than this, body heights per second"
    )
    velocity_agree_share: float = Field(
        0.25, ge=0.0, le=2.0, description="... plus this share of the speed of the faster one"
    )
    hold_s: float = Field(3.0, ge=0.0, le=600.0, description="near and alike for this long makes two groups one")
    split_after_s: float = Field(
        4.0,
        ge=0.0,
        le=600.0,
        description="apart for this long makes a group of its own; until then it is one straggler",
    )
    end_after_s: float = Field(
        3.0, ge=0.0, le=600.0, description="a group with nobody left waits this long for somebody to come back"
    )
    window_s: float = Field(
        2.0, ge=0.0, le=60.0, description="the range of a count spans what was possible within so many last seconds"
    )
    max_speed_m_s: float = Field(
        7.0,
        ge=1.0,
        le=100.0,
        description="a body that stays faster than this is nobody on foot (a car that looks like one) and neither counted "
        "nor told; where the camera's pose is known",
    )
    max_speed_heights_s: float = Field(
        4.5, ge=1.0, le=100.0, description="... and where it is not, body heights per second"
    )

    @model_validator(mode="after")
    def _leaving_is_farther_than_joining(self) -> "GroupsConfig":
        if self.leave_distance_heights < self.join_distance_heights:
            raise ValueError(
                f"leave_distance_heights ({self.leave_distance_heights}) must not be below "
                f"join_distance_heights ({self.join_distance_heights}), else groups flicker"
            )
        return self


class AlertsConfig(Section):
    """``[alerts]``: what the control room is told, and when."""

    raise_after_s: float = Field(
        1.5, ge=0.0, le=600.0, description="a group is told once it has been followed for this long"
    )
    min_confidence: Share = Field(
        0.75, description="a group is told once one of its people in sight is this probably a person; 0: at once"
    )
    min_count: int = Field(1, ge=1, le=1000, description="smaller groups are followed but not told")
    update_every_s: float = Field(
        3.0, ge=0.0, le=3600.0, description="shortest pause between two messages of one group"
    )
    important_count: int = Field(5, ge=1, le=1000, description="a group of this many is at least important")
    urgent_count: int = Field(15, ge=1, le=1000, description="a group of this many is urgent")
    snapshots: bool = Field(
        default=False, description="send a picture with an alert; without this no picture ever leaves the box"
    )


class SightConfig(Section):
    """``[sight]``: is the picture worth anything."""

    frozen_after_s: float = Field(
        4.0,
        ge=0.5,
        le=600.0,
        description="the same raw picture for this long is a dead camera, not a shutter (0.5-3 s)",
    )
    frozen_8bit_after_s: float = Field(
        30.0, ge=0.5, le=3600.0, description="... and of an 8-bit stream, which repeats itself when the scene is still"
    )
    min_contrast: float = Field(
        3.0,
        ge=0.0,
        le=64.0,
        description="standard deviation of the 8-bit picture below which the camera is covered, levels",
    )
    covered_span_noises: float = Field(
        7.0,
        ge=0.0,
        le=100.0,
        description="a picture that spans fewer standard deviations of its noise is a covered lens",
    )
    covered_after_s: float = Field(
        2.0, ge=0.0, le=600.0, description="covered or saturated for this long is blind; a bird is not"
    )
    saturated_share: Share = Field(
        0.5, description="share of pixels at the smallest or the largest value from which the sensor is saturated"
    )
    shutter_after_s: float = Field(
        10.0, ge=1.0, le=600.0, description="a shutter that stays closed for this long is stuck: blind"
    )
    crossover_span_noises: float = Field(
        9.5, ge=0.0, le=100.0, description="a scene that spans fewer standard deviations of the noise may hide people"
    )
    crossover_span_c: float = Field(
        1.5, ge=0.0, le=20.0, description="... and so may one that spans fewer degrees, where the camera knows degrees"
    )
    min_sharpness: Share = Field(
        0.5, description="edges softer than this are out of focus; 1 is as sharp as pixels allow, a blur of 4 px is 0.4"
    )
    dead_share: Share = Field(0.005, description="share of dead pixels from which the camera is degraded")
    degraded_after_s: float = Field(
        10.0, ge=0.0, le=3600.0, description="too little contrast or focus for this long is told"
    )
    alert_after_s: float = Field(
        10.0, ge=0.0, le=3600.0, description="blind or offline for this long is an alert of its own (edge.sight)"
    )
