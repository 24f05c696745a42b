"""Detections in, bodies out: follows every body through misses, false boxes, hiding, shutter pauses and camera motion.

A track is believed (``confirmed``) once it was seen often enough and long enough, and kept for ``hidden_s`` once it
is out of sight: a person behind a bush is still there. Three decisions would surprise a reader:

* Time is seconds, never frames. A thermal camera pauses for its shutter and changes its rate; a body must not live
  longer because the rate fell. What counts against a body is the time in which it could have been seen and was not.
* A body out of sight for more than ``_DIRECT_S`` is not matched with single boxes any more: its place has become so
  vague that it would catch any false one. A new body must first be believed, and then takes over the old one's id
  when it appears where the old one can be by now: where it vanished (it stopped) or along its way (it walked on).
* A body covered by another walks with that other one until both part again.

Sizes are relative to the body (the longer side of its box). Ids count up from 1 in each tracker. No pixels are looked
at.
"""

from collections.abc import Sequence

import numpy as np

from edge.config import TrackerConfig
from edge.near import fewest, within
from edge.pipeline.association import associate
from edge.pipeline.belief import belief, on_another, seen_belief
from edge.pipeline.bodies import Bodies, Boxes, Flags, Floats, Indices, measured_var
from edge.records import CameraShift, Detection, Track

_TIGHT_S = 1e-4  # slack of comparisons: the same scene an hour later must give the same answer
_TIGHT_SCORE = 1e-9  # and so must a mean of like scores
_DIRECT_S = 1.05  # unseen for longer, and a single box is no proof any more
_LEFT_S = 1.0  # unseen for this long at the edge of the picture, or after a cut: gone ...
_OUT_SHARE = 0.5  # ... and at once where its middle is so far outside, in its size (1.0 is worse from drones)
_DOUBTFUL, _DOUBTFUL_S = 0.15, 2.0  # who was never much believed is not waited for longer
_STALL_S = 10.0  # after a pause this long only who is seen at once is still the same
_GAP_S = 1.0  # one frame speaks for at most so much time; a stalled stream is no absence
_COVERED_SHARE = 0.3  # of its box, and the vanished body is behind the other
_SEEN_SHARE = 0.5  # of the frames since its birth, to be believed
_COMPANION_HEIGHTS = 3.0  # a newborn this near to a believed body is expected to walk like it
_REAPPEAR_HEIGHTS = 1.3  # how far from its expected way a body may reappear ...
_REAPPEAR_HEIGHTS_S = 0.1  # ... and how that grows with the time out of sight ...
_REAPPEAR_MAX_HEIGHTS = 3.0  # ... up to here
_REAPPEAR_STRAY_HEIGHTS = 1.0  # less, when it began: how far it may have strayed in each second of the first ...
_REAPPEAR_STRAY_S = 1.0  # ... so many; at 2 frames/s a runner is lost by his first step
_REAPPEAR_WALK_S = 15.0  # nobody is thought to walk on behind cover for longer
_REAPPEAR_SIZE = 2.0  # times as tall, at most ...
_REAPPEAR_SIZE_SHARE = 0.3  # ... and such a difference weighs as much as one height of distance
_REAPPEAR_LEAD = 0.1  # a height ahead of the others weighs as much as so many heights of distance
_SPEED_SLACK_HEIGHTS = 0.5

SETTINGS = (
    *(
        _TIGHT_S,
        _TIGHT_SCORE,
        _DIRECT_S + _TIGHT_S,
        _LEFT_S,
        _OUT_SHARE,
        _DOUBTFUL,
        _DOUBTFUL_S,
        _STALL_S,
        _GAP_S,
        _COVERED_SHARE,
        _SEEN_SHARE,
    ),
    *(_COMPANION_HEIGHTS, _SPEED_SLACK_HEIGHTS, _REAPPEAR_HEIGHTS, _REAPPEAR_HEIGHTS_S, _REAPPEAR_MAX_HEIGHTS),
    *(
        _REAPPEAR_STRAY_HEIGHTS,
        _REAPPEAR_STRAY_S,
        _REAPPEAR_WALK_S,
        _REAPPEAR_SIZE,
        _REAPPEAR_SIZE_SHARE,
        _REAPPEAR_LEAD,
    ),
)
"""What the compiled tracker needs of this module."""


class Tracker:
    """Follows the bodies of one camera: the specification of ``CompiledTracker``."""

    def __init__(self, config: TrackerConfig, *, start_score: float = 0.0, believe_score: float = 0.0) -> None:
        """Start with nobody.

        Args:
            config: the section of the configuration.
            start_score: a detection below this only holds a body that is already followed; the detector's threshold.
            believe_score: a body is believed once the mean of its scores has reached this.
        """
        self._config = config
        self._start_score, self._believe_score = start_score, believe_score
        self._bodies = Bodies()
        self._kinds: list[str] = []
        self._covered_by: dict[int, int] = {}
        self._next_id = 1
        self._t_s: float | None = None

    def update(
        self,
        detections: Sequence[Detection],
        t_s: float,
        shift: CameraShift = CameraShift(),  # noqa: B008 - a frozen value
        *,
        ffc: bool = False,
        width_px: int | None = None,
        height_px: int | None = None,
    ) -> tuple[Track, ...]:
        """Take one frame's detections and tell who is there.

        Args:
            detections: boxes of the frame, in any order.
            t_s: when it was captured; never goes back.
            shift: how the scene moved in the picture since the last frame.
            ffc: the picture is worthless: bodies coast and nothing counts against them.
            width_px: width of the frame; without it nobody is known to have left at its edge.
            height_px: height of the frame.

        Returns:
            All live tracks ordered by id, those out of sight and those not yet believed included.
        """
        elapsed_s = 0.0 if self._t_s is None else max(t_s - self._t_s, 0.0)
        self._t_s = t_s
        self._bodies.move_with_camera(shift)
        self._bodies.coast(elapsed_s)
        if not ffc:
            boxes = Boxes(detections, self._kinds)
            self._bodies.know_kinds(len(self._kinds))
            unseen, unclaimed = self._match(boxes, t_s, elapsed_s)
            self._hide(unseen, elapsed_s, shift, width_px, height_px)
            self._begin(boxes, unclaimed, t_s)
            self._believe(t_s)
            self._forget(width_px, height_px)
        return self._tracks()

    def forget(self) -> None:
        """Follow nobody any more; no id is given twice."""
        self._bodies = Bodies()
        self._covered_by = {}

    def _match(self, boxes: Boxes, t_s: float, elapsed_s: float) -> tuple[Flags, Flags]:
        """Give boxes to bodies in three rounds and return which bodies were not seen and which boxes are left.

        Believed bodies choose first among the sure boxes, then the others; what is still unseen takes the unsure boxes.
        """
        bodies = self._bodies
        unseen, free = np.ones(len(bodies), np.bool_), np.ones(len(boxes), np.bool_)
        sure = boxes.score >= self._start_score
        if not len(bodies) or not len(boxes):
            return unseen, free & sure
        direct = bodies.hidden_s + min(elapsed_s, _GAP_S) <= _DIRECT_S + _TIGHT_S
        for candidates, offered in ((bodies.confirmed, sure), (~bodies.confirmed, sure), (bodies.confirmed, ~sure)):
            rows, columns = np.nonzero(candidates & direct & unseen)[0], np.nonzero(offered & free)[0]
            if not len(rows) or not len(columns):
                continue
            height_px = bodies.height_px[rows]
            away_s = elapsed_s + bodies.hidden_s[rows]
            reach_px = height_px * (_SPEED_SLACK_HEIGHTS + self._config.max_speed_heights_s * away_s)
            found, taken, trust = associate(
                bodies.place[rows],
                bodies.place_var[rows] + measured_var(height_px),
                bodies.size[rows],
                reach_px,
                boxes.place[columns],
                boxes.size[columns],
            )
            bodies.see(rows[found], boxes, columns[taken], trust, t_s, elapsed_s)
            unseen[rows[found]] = False
            free[columns[taken]] = False
        return unseen, free & sure

    def _hide(
        self, unseen: Flags, elapsed_s: float, shift: CameraShift, width_px: int | None, height_px: int | None
    ) -> None:
        """Count the time against those not seen, and find out where they may be."""
        bodies, ids = self._bodies, self._bodies.track_id.tolist()
        passed_s = max(min(elapsed_s, _GAP_S), _TIGHT_S)
        lost = not shift.known or elapsed_s > _STALL_S  # this may be another scene: no long memory for who is not in it
        covers = self._covers(unseen, passed_s, width_px, height_px, lost=lost)
        row_of = {one: row for row, one in enumerate(ids)} if self._covered_by else {}
        for track_id in [one for one in self._covered_by if not unseen[row_of[one]]]:
            del self._covered_by[track_id]
        for row in np.nonzero(covers >= 0)[0].tolist():
            self._covered_by[ids[row]] = ids[covers[row]]
            row_of[ids[row]], row_of[ids[covers[row]]] = row, int(covers[row])
        for track_id, cover_id in self._covered_by.items():
            cover = row_of.get(cover_id)
            if cover is not None and not unseen[cover]:  # else both are hidden now: it coasts on as it went
                bodies.velocity[row_of[track_id]] = bodies.velocity[cover]

    def _covers(
        self, unseen: Flags, passed_s: float, width_px: int | None, height_px: int | None, *, lost: bool
    ) -> Indices:
        """Count the time; for each that has just vanished the row of the seen body in front of it, else -1; (N,)."""
        bodies = self._bodies
        bodies.looks += 1
        just_gone = np.nonzero(unseen & (bodies.hidden_s == 0.0) & bodies.confirmed)[0]
        bodies.hidden_s[unseen] += passed_s
        if lost:
            bodies.leaving |= unseen
        if width_px is not None and height_px is not None:
            bodies.leaving |= unseen & self._beyond_edge(width_px, height_px, -0.5)
        covers, seen = np.full(len(bodies), -1), np.nonzero(~unseen)[0]
        for row in just_gone if len(seen) else ():
            apart = np.abs(bodies.place[seen] - bodies.place[row])
            overlap = np.clip((bodies.size[seen] + bodies.size[row]) / 2.0 - apart, 0.0, bodies.size[row])
            share = overlap.prod(axis=1) / bodies.size[row].prod()
            best = int(share.argmax())
            covers[row] = seen[best] if share[best] >= _COVERED_SHARE else -1
        return covers

    def _beyond_edge(self, width_px: int, height_px: int, share: float) -> Flags:
        """Tell whose box reaches across an edge of the picture: by its middle +- ``share`` of its size; (N,)."""
        reach = self._bodies.place + share * self._bodies.size
        other = self._bodies.place - share * self._bodies.size
        return np.asarray(((reach < 0.0) | (other > np.array((width_px, height_px)))).any(axis=1))

    def _begin(self, boxes: Boxes, unclaimed: Flags, t_s: float) -> None:
        """Begin a body for every sure box that nobody claimed and that is no echo of a body just seen."""
        if not unclaimed.any():
            return
        columns, velocity = self._newcomers(boxes, unclaimed)
        if len(columns):
            self._bodies.add(self._next_id, boxes, columns, velocity, t_s)
            self._next_id += len(columns)

    def _newcomers(self, boxes: Boxes, unclaimed: Flags) -> tuple[Indices, Floats]:
        """Find the boxes that are no echo, and how they are expected to move: like somebody beside them; (K,), (K, 2)."""
        bodies, columns = self._bodies, np.nonzero(unclaimed)[0]
        velocity = np.zeros((len(columns), 2))
        seen = np.nonzero(bodies.confirmed & (bodies.hidden_s == 0.0))[0]
        if not len(seen):
            return columns, velocity
        own_px = boxes.height_px[columns]
        reach_px = np.maximum(_COMPANION_HEIGHTS * own_px, own_px + float(bodies.height_px[seen].max()))
        at, near, distance_px = within(boxes.place[columns], reach_px, bodies.place[seen])
        beside = seen[near]
        sizes, own = bodies.size[beside], boxes.size[columns[at]]
        apart = np.abs(boxes.place[columns[at]] - bodies.place[beside])
        shared = np.clip((sizes + own) / 2.0 - apart, 0.0, np.minimum(sizes, own)).prod(axis=1)
        overlap = shared / (sizes.prod(axis=1) + own.prod(axis=1) - shared)
        fresh = np.ones(len(columns), np.bool_)
        fresh[at[overlap >= self._config.duplicate_overlap]] = False
        at, near, distance_px = fewest(at, near, distance_px, 1)
        with_them = distance_px <= _COMPANION_HEIGHTS * own_px[at]
        velocity[at[with_them]] = bodies.velocity[seen[near[with_them]]]
        return columns[fresh], velocity[fresh]

    def _believe(self, t_s: float) -> None:
        """Confirm what was seen often and long enough; it goes on under an old id when it is a body that reappears."""
        bodies = self._bodies
        ready = (
            ~bodies.confirmed
            & (bodies.hits >= self._config.confirm_hits)
            & (bodies.mean_score >= self._believe_score - _TIGHT_SCORE)
        )
        if not ready.any():
            return
        ready &= (t_s - bodies.first_seen_s >= self._config.confirm_s - _TIGHT_S) & (
            bodies.hits >= _SEEN_SHARE * bodies.looks
        )
        if not ready.any():
            return
        bodies.confirmed |= ready
        gone = np.ones(len(bodies), np.bool_)
        for new, old in self._reappeared(np.nonzero(ready)[0]):
            bodies.take_over(old, new)
            self._covered_by.pop(int(bodies.track_id[old]), None)
            gone[new] = False
        if not gone.all():
            bodies.keep(gone)

    def _reappeared(self, new: Indices) -> list[tuple[int, int]]:
        """Pair newly believed bodies with those out of sight, the likeliest pairs first.

        A body out of sight may have stopped at once, walked on, or anything between, so all of its way counts: until now,
        and until the newcomer was first seen, which may be long before it was believed. Where a newcomer lies on the ways
        of several, the one that has come farthest is the first to come out of cover.
        """
        bodies = self._bodies
        old = np.nonzero(bodies.confirmed & (bodies.hidden_s > 0.0))[0]
        if not len(old):
            return []
        height_px = bodies.height_px[old]
        hidden_s = bodies.hidden_s[old]
        walk = bodies.seen_velocity[old] * np.minimum(hidden_s, _REAPPEAR_WALK_S)[:, None]
        ends = bodies.seen_place[old] + walk
        reach = np.minimum(_REAPPEAR_HEIGHTS + _REAPPEAR_HEIGHTS_S * hidden_s, _REAPPEAR_MAX_HEIGHTS)
        place = bodies.place[new]
        aside = np.minimum(
            _distance_to_way(place, bodies.seen_place[old], ends),
            np.hypot(*(place[:, None, :] - bodies.place[old][None]).transpose(2, 0, 1)),
        )
        distance = np.minimum(aside / height_px, self._strayed(new, old))
        from_end = np.hypot(*(place[:, None, :] - ends[None]).transpose(2, 0, 1)) / height_px
        size = np.abs(np.log(bodies.height_px[new][:, None] / height_px[None, :]))
        possible = (
            (distance <= reach)
            & (size <= np.log(_REAPPEAR_SIZE))
            & (bodies.first_seen_s[new][:, None] > bodies.last_seen_s[old][None, :])
            & (bodies.votes[new].argmax(axis=1)[:, None] == bodies.votes[old].argmax(axis=1)[None, :])
        )
        lead = ((ends - ends.mean(axis=0)) * bodies.seen_velocity[old]).sum(axis=1)
        lead = lead / np.maximum(np.hypot(*bodies.seen_velocity[old].T) * height_px, 1e-9)
        cost = distance + np.minimum(from_end, 1.0) + size / _REAPPEAR_SIZE_SHARE - _REAPPEAR_LEAD * lead
        pairs, used_new, used_old = [], set[int](), set[int]()
        rows, columns = np.nonzero(possible)
        for index in np.argsort(cost[rows, columns], kind="stable"):
            row, column = int(rows[index]), int(columns[index])
            if row not in used_new and column not in used_old:
                used_new.add(row)
                used_old.add(column)
                pairs.append((int(new[row]), int(old[column])))
        return pairs

    def _strayed(self, new: Indices, old: Indices) -> Floats:
        """Measure how far from each old body's way each new one began, less what it may have strayed; heights, (N, O)."""
        bodies = self._bodies
        born, seen = bodies.born_place[new], bodies.seen_place[old]
        apart_s = np.maximum(bodies.first_seen_s[new][:, None] - bodies.last_seen_s[old][None, :], 0.0)
        walked_s = np.minimum(apart_s, _REAPPEAR_WALK_S)
        ends = seen[None] + bodies.seen_velocity[old][None] * walked_s[:, :, None]
        strayed = _REAPPEAR_STRAY_HEIGHTS * np.minimum(apart_s, _REAPPEAR_STRAY_S)
        rows = [_distance_to_way(one[None], seen, end)[0] for one, end in zip(born, ends, strict=True)]
        return np.maximum(np.stack(rows) / bodies.height_px[old] - strayed, 0.0)

    def _forget(self, width_px: int | None, height_px: int | None) -> None:
        bodies = self._bodies
        leaving, longest_s = bodies.leaving, float(bodies.hidden_s.max(initial=0.0))
        least_s = min(self._config.hidden_s, self._config.tentative_s, _DOUBTFUL_S)
        if longest_s <= (least_s if not leaving.any() else 0.0):
            return
        limit_s = np.where(bodies.confirmed, self._config.hidden_s, self._config.tentative_s)
        doubtful = seen_belief(bodies.strength, bodies.moved_heights) < _DOUBTFUL
        limit_s = np.where(doubtful, np.minimum(limit_s, _DOUBTFUL_S), limit_s)
        limit_s = np.where(bodies.leaving, np.minimum(limit_s, _LEFT_S), limit_s)
        alive = bodies.hidden_s <= limit_s + _TIGHT_S
        if width_px is not None and height_px is not None:
            alive &= ~(bodies.leaving & self._beyond_edge(width_px, height_px, _OUT_SHARE))
        if not alive.all():
            bodies.keep(alive)
            kept = set(bodies.track_id.tolist())
            self._covered_by = {one: cover for one, cover in self._covered_by.items() if one in kept}

    def _tracks(self) -> tuple[Track, ...]:
        bodies = self._bodies
        numbers = self._numbers()
        names = self._kinds
        kinds = [names[vote] for vote in bodies.votes.argmax(axis=1)] if len(names) > 1 else names * len(bodies)
        told = zip(
            *(bodies.track_id.tolist(), kinds, numbers.tolist(), bodies.confirmed.tolist(), bodies.leaving.tolist()),
            strict=True,
        )
        return tuple(
            [
                Track(one, kind, (x0, y0, x1, y1), score, (x, y), first_s, last_s, confirmed, hidden_s, leaving, sure)
                for one, kind, (
                    x0,
                    y0,
                    x1,
                    y1,
                    score,
                    x,
                    y,
                    first_s,
                    last_s,
                    hidden_s,
                    sure,
                ), confirmed, leaving in told
            ]
        )

    def _numbers(self) -> Floats:
        """List what is told of each body: its corners, score, velocity, times and belief; (N, 11)."""
        bodies = self._bodies
        there = bodies.confirmed & (bodies.hidden_s == 0.0)
        seen = seen_belief(bodies.strength, bodies.moved_heights)
        shares = on_another(bodies.place, bodies.size, there)
        half = bodies.size / 2.0
        return np.column_stack(
            (
                *(bodies.place - half, bodies.place + half, bodies.score, bodies.velocity),
                *(bodies.first_seen_s, bodies.last_seen_s, bodies.hidden_s),
                belief(seen, bodies.strength, bodies.hidden_s, shares),
            )
        )


def _distance_to_way(points: Floats, starts: Floats, ends: Floats) -> Floats:
    """Distance of each point (N, 2) to each stretch from ``starts`` to ``ends`` (M, 2); (N, M)."""
    way = ends - starts
    length2 = np.maximum((way**2).sum(axis=1), 1e-9)
    along = np.clip(((points[:, None, :] - starts[None]) * way[None]).sum(axis=2) / length2[None], 0.0, 1.0)
    offset = points[:, None, :] - (starts[None] + along[..., None] * way[None])
    return np.asarray(np.hypot(offset[..., 0], offset[..., 1]))
